package spec

func named(v *Value) *Value { return v }
