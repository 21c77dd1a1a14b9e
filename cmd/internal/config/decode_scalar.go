// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// scalar decodes one value and checks it against the tag: type first, then form, then range.
func (d *decoder) scalar(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	want, hint, ok := scalarType(n, v)
	if !ok {
		if v.Type() == reflect.TypeFor[Secret]() && n.Kind == yaml.ScalarNode && hint != "" {
			hint = "put it in quotes" // without the value
		}
		if p := tag.Get("pattern"); v.Kind() == reflect.String && n.Kind == yaml.ScalarNode && p != "" && !matches(p, n.Value) {
			hint = tag.Get("hint") // quotes would not help
		}
		if _, isTime := v.Interface().(time.Duration); isTime {
			hint = cmp.Or(tag.Get("hint"), hint)
		}
		if _, isCount := v.Interface().(int); isCount {
			hint = cmp.Or(hint, "write digits, for example "+cmp.Or(tag.Get("const"), tag.Get("default"), "10")+", or remove the key")
		}
		d.wrongType(n, path, want, hint)
		return
	}
	switch target := v.Addr().Interface().(type) {
	case *Secret:
		d.secret(n, path, target)
	case *string:
		d.text(n, path, target, tag)
	case *bool:
		*target = strings.EqualFold(n.Value, "true")
	case *int:
		d.count(n, path, target, tag)
	case *Size:
		size, ok := parseSize(n.Value)
		if !ok {
			d.problem(n, path, CodeValue, fmt.Sprintf("%q is not a size", n.Value), "write bytes or a number with a unit, for example 64KiB or 16MiB")
			return
		}
		*target = size
		d.within(n, path, tag, size < sizeTag(tag, "min"), tag.Get("max") != "" && size > sizeTag(tag, "max"))
	case *time.Duration:
		duration, ok := parseDuration(n.Value)
		if !ok {
			d.problem(n, path, CodeValue, fmt.Sprintf("%q is not a duration", n.Value), cmp.Or(tag.Get("hint"), durationHint))
			return
		}
		*target = duration
		d.within(n, path, tag, duration < durationTag(tag, "min"), tag.Get("max") != "" && duration > durationTag(tag, "max"))
	case *Money, *Share:
		d.amount(n, path, target)
	default:
		d.special(n, path, v.Addr().Interface())
	}
}

// special decodes the values that have a form of their own.
func (d *decoder) special(n *yaml.Node, path string, target any) {
	ok := true
	switch target := target.(type) {
	case *Expr:
		*target = Expr(n.Value)
		if n.ShortTag() == "!!bool" {
			*target = Expr(strings.ToLower(n.Value)) // YAML also knows True and TRUE
		}
		switch {
		case strings.TrimSpace(n.Value) == "":
			d.problem(n, path, CodeValue, "must not be empty", "remove the key or give it a value")
		case strings.ContainsRune(n.Value, 0):
			d.problem(n, path, CodeSyntax, "contains a NUL character", "")
		}
	case *time.Time:
		if *target, ok = parseTime(n.Value); !ok {
			d.problem(n, path, CodeValue, fmt.Sprintf("%q is not a time", n.Value), timeHint)
		}
	case *netip.Prefix:
		if *target, ok = parsePrefix(n.Value); !ok {
			d.problem(n, path, CodeValue, fmt.Sprintf("%q is not an address range", n.Value), prefixHint)
		}
	}
}

// scalarType tells whether n may hold a value for v at all, and if not what would.
func scalarType(n *yaml.Node, v reflect.Value) (want, hint string, ok bool) {
	scalar, tag := n.Kind == yaml.ScalarNode, n.ShortTag()
	isText := isText(n)
	switch v.Interface().(type) {
	case bool:
		return "true or false", "write true or false, without quotes", scalar && tag == "!!bool"
	case int:
		_, plain := parseCount(n.Value)
		if scalar && plain && isText {
			hint = "remove the quotes"
		}
		return "a whole number", hint, scalar && tag == "!!int" && plain
	case Size:
		_, plain := parseCount(n.Value)
		return "a size", "write bytes or a number with a unit, for example 64KiB or 16MiB", isText || scalar && tag == "!!int" && plain
	case time.Duration:
		return "a duration", durationHint, isText
	case Money:
		return "an amount of USD", moneyHint, isText || isNumber(n)
	case Share:
		return "a share", shareHint, isText || isNumber(n)
	case Expr:
		return "an expression", "write CEL as a string, a number, or true or false", scalar && tag != "!!null"
	case time.Time:
		return "a time", timeHint, isText
	case netip.Prefix:
		return "an address range", prefixHint, isText
	default:
		if scalar && !isText {
			hint = quoteIt(n)
		}
		return "a string", hint, isText
	}
}

func isText(n *yaml.Node) bool {
	tag := n.ShortTag()
	return n.Kind == yaml.ScalarNode && (tag == "!!str" || tag == "!!timestamp")
}

func (d *decoder) text(n *yaml.Node, path string, target *string, tag reflect.StructTag) {
	*target = n.Value
	name := cmp.Or(tag.Get("noun"), path[strings.LastIndexByte(path, '.')+1:])
	if enum := tag.Get("enum"); enum != "" {
		words := strings.Split(enum, ",")
		for _, w := range words {
			if w == n.Value {
				return
			}
		}
		d.problem(n, path, CodeValue, fmt.Sprintf("unknown %s %q", name, n.Value), "use "+oneOf(words))
		return
	}
	length := utf8.RuneCountInString(n.Value)
	switch pattern := tag.Get("pattern"); {
	case strings.ContainsRune(n.Value, 0):
		d.problem(n, path, CodeSyntax, "contains a NUL character", "")
	case pattern != "" && !matches(pattern, n.Value), tag.Get("max") != "" && length > countTag(tag, "max"):
		d.problem(n, path, CodeValue, fmt.Sprintf("%q is not a valid %s", n.Value, name), tag.Get("hint"))
	case length < countTag(tag, "min"):
		d.problem(n, path, CodeValue, "must not be empty", "remove the key or give it a value")
	case tag.Get("path") != "":
		*target = d.resolvePath(n, path, n.Value)
	}
}

func (d *decoder) count(n *yaml.Node, path string, target *int, tag reflect.StructTag) {
	count, _ := parseCount(n.Value)
	*target = int(count)
	if only := tag.Get("const"); only != "" && n.Value != only {
		d.problem(n, path, CodeValue, fmt.Sprintf("unknown %s %s", path, n.Value), "this tollgate reads "+path+" "+only)
		return
	}
	d.within(n, path, tag, tag.Get("min") != "" && count < int64(countTag(tag, "min")), tag.Get("max") != "" && count > int64(countTag(tag, "max")))
}

// within reports a number, size or duration outside the range of its tag.
func (d *decoder) within(n *yaml.Node, path string, tag reflect.StructTag, low, high bool) {
	least := tag.Get("min")
	if least == "" {
		least = "0"
	}
	switch {
	case low:
		d.problem(n, path, CodeRange, n.Value+" is less than "+least, "")
	case high:
		d.problem(n, path, CodeRange, n.Value+" is more than "+tag.Get("max"), "")
	}
}

// setScalar stores the text of a default tag, which a test keeps valid.
func setScalar(v reflect.Value, text string) {
	switch target := v.Addr().Interface().(type) {
	case *string:
		*target = text
	case *int:
		*target, _ = strconv.Atoi(text)
	case *Size:
		*target, _ = parseSize(text)
	case *time.Duration:
		*target, _ = parseDuration(text)
	}
}

func countTag(tag reflect.StructTag, key string) int {
	n, _ := strconv.Atoi(tag.Get(key))
	return n
}

func sizeTag(tag reflect.StructTag, key string) Size {
	s, _ := parseSize(tag.Get(key))
	return s
}

func durationTag(tag reflect.StructTag, key string) time.Duration {
	d, _ := parseDuration(tag.Get(key))
	return d
}
