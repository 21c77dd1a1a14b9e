// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"tollgate/store/ledger"
)

// Money is an amount in nano-USD. In the file it is written in USD: 100, 0.5, $100 or 12.50 USD, and read exactly.
type Money int64

// String writes the amount as the file may have it: $12.50.
func (m Money) String() string { return ledger.FormatUSD(int64(m)) }

// Share is a part of a limit, 1 is all of it. In the file it is 80% or 0.8.
type Share float64

const (
	moneyPattern = `^\$?[0-9]+(?:\.[0-9]+)?(?: ?USD)?$`
	maxMoney     = 9_223_372_036 // whole USD
	moneyHint    = `write USD, for example $100, 0.5 or "12.50 USD"`

	sharePattern = `^[0-9]{1,4}(?:\.[0-9]{1,4})?%$`
	shareHint    = `write a percentage or a part of 1, for example 80% or 0.8`
)

// parseMoney reads an amount. The message of an error fits behind the path of the value.
func parseMoney(s string) (Money, error) {
	if !matches(moneyPattern, s) {
		return 0, fmt.Errorf("%q is not an amount of USD", s)
	}
	n, err := ledger.ParseUSD(s)
	switch _, fraction, _ := strings.Cut(s, "."); {
	case err == nil:
		return Money(n), nil
	case len(strings.TrimRight(fraction, "0 USD")) > 9:
		return 0, fmt.Errorf("%s has more than 9 digits after the point", s)
	default:
		return 0, fmt.Errorf("%s is more than %d USD", s, maxMoney)
	}
}

// parseShare reads a percentage, or a number of YAML as it is.
func parseShare(s string, number bool) (Share, error) {
	digits, percent := strings.CutSuffix(s, "%")
	if number && !matches(jsonNumber, s) || !number && !matches(sharePattern, s) {
		return 0, fmt.Errorf("%q is not a share", s)
	}
	f, err := strconv.ParseFloat(digits, 64)
	switch {
	case err != nil || f < 0:
		return 0, fmt.Errorf("%q is not a share", s)
	case percent:
		return Share(f / 100), nil
	case f > 1:
		return 0, errors.New(s + " is more than 1, which is all")
	}
	return Share(f), nil
}

// amount decodes Money and Share.
func (d *decoder) amount(n *yaml.Node, path string, target any) {
	switch target := target.(type) {
	case *Money:
		m, err := parseMoney(n.Value)
		if *target = m; err != nil {
			d.problem(n, path, amountCode(n.Value, moneyPattern), err.Error(), moneyHint)
		}
	case *Share:
		number := !isText(n)
		s, err := parseShare(n.Value, number)
		if *target = s; err != nil {
			hint := shareHint
			if number && matches(`^[1-9][0-9]*$`, n.Value) {
				hint = fmt.Sprintf("write %s%% for a percentage", n.Value)
			}
			d.problem(n, path, CodeValue, err.Error(), hint)
		}
	}
}

// amountCode tells what the schema refuses too from what only its reader does.
func amountCode(text, pattern string) Code {
	if matches(pattern, text) {
		return CodeRange
	}
	return CodeValue
}

// isNumber reports whether YAML takes a value for a number.
func isNumber(n *yaml.Node) bool {
	tag := n.ShortTag()
	return n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float")
}
