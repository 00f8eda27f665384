package plan

// valueType is the declared type of a value: one that a value can have.
type valueType uint8

const (
	anyType valueType = iota
	stringType
	integerType
	numberType
	booleanType
	objectType
	arrayType
)

// valueTypeOf gives the type of a name that JSON Schema knows, anyType for all others.
func valueTypeOf(name string) valueType {
	for t := stringType; t <= arrayType; t++ {
		if t.String() == name {
			return t
		}
	}
	return anyType
}

// String gives the name that JSON Schema has for it; empty for any type.
func (t valueType) String() string {
	return [...]string{"", "string", "integer", "number", "boolean", "object", "array"}[t]
}
