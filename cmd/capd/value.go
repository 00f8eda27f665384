package main

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"capd/engine/plan"
)

// The output formats.
const (
	formatText = "text"
	formatJSON = "json"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value   *string
	allowed []string
}

func choiceFlag(value *string, allowed ...string) *choice { return &choice{value, allowed} }

func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

func (c *choice) Type() string { return "word" }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.allowed, ", "))
	}
	*c.value = s
	return nil
}

// size is a flag that counts bytes.
type size int64

// sizeUnits are the units a size is written in, the longest suffix of each first.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3},
	{"B", 1}, {"", 1},
}

func (s *size) Type() string { return "size" }

// String gives the size in the largest unit that divides it.
func (s *size) String() string {
	n := int64(*s)
	for _, u := range sizeUnits[:3] {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

func (s *size) Set(text string) error {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil {
			break
		}
		if n <= 0 {
			return errors.New("must be more than zero")
		}
		if n > math.MaxInt64/u.bytes {
			return errors.New("is too large")
		}
		*s = size(n * u.bytes)
		return nil
	}
	return errors.New("must be a size such as 10MiB, 512KiB or 4096")
}

// folders is a flag that takes folders, several times or with commas.
type folders []string

func (f *folders) Type() string   { return "dir" }
func (f *folders) String() string { return strings.Join(*f, ",") }

func (f *folders) Set(text string) error {
	for dir := range strings.SplitSeq(text, ",") {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("%q is not a folder", dir)
		}
		*f = append(*f, dir)
	}
	return nil
}

// count is a flag that takes a positive whole number.
type count int

func (c *count) Type() string   { return "number" }
func (c *count) String() string { return strconv.Itoa(int(*c)) }

func (c *count) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return errors.New("must be a whole number of at least 1")
	}
	*c = count(n)
	return nil
}

// duration is a flag that takes a positive duration.
type duration time.Duration

func (d *duration) Type() string   { return "duration" }
func (d *duration) String() string { return time.Duration(*d).String() }

func (d *duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil || v <= 0 {
		return errors.New("must be a duration such as 30s or 2m")
	}
	*d = duration(v)
	return nil
}

// networks is a flag of IP networks and addresses, comma-separated and repeatable.
type networks []netip.Prefix

func (n *networks) Type() string { return "networks" }

func (n *networks) String() string {
	texts := make([]string, len(*n))
	for i, p := range *n {
		texts[i] = p.String()
	}
	return strings.Join(texts, ",")
}

func (n *networks) Set(text string) error {
	for s := range strings.SplitSeq(text, ",") {
		s = strings.TrimSpace(s)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			*n = append(*n, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return errors.New("must be networks such as 10.0.0.0/8 or addresses such as 10.0.0.1")
		}
		*n = append(*n, p.Masked())
	}
	return nil
}

// rate is a flag of how often something may happen, such as 20/1m; off is no bound.
type rate plan.Rate

func (r *rate) Type() string { return "rate" }

func (r *rate) String() string {
	if r.Count == 0 {
		return "off"
	}
	return plan.Rate(*r).String()
}

func (r *rate) Set(text string) error {
	if text == "off" {
		*r = rate{}
		return nil
	}
	parsed, ok := plan.ParseRate(text)
	if !ok {
		return errors.New("must be a number in a time, such as 20/1m, or off")
	}
	*r = rate(parsed)
	return nil
}
