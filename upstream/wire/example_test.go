// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"fmt"

	"tollgate/upstream/wire"
)

// A call on its way through the gateway: only the name changes.
func Example() {
	e, err := wire.Parse([]byte(`{"jsonrpc":"2.0","id":"c-1","method":"tools/call","params":{"name":"git__log","arguments":{"since":9007199254740993}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	params := wire.Set(e.Params, "name", wire.AppendString(nil, "log"))
	fmt.Println(string(wire.AppendRequest(nil, []byte("7"), e.Method, params)))
	// Output: {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"log","arguments":{"since":9007199254740993}}}
}

func ExampleCheck() {
	fmt.Println(wire.Check([]byte(`{"amount":1,"am\u006funt":999999}`)))
	// Output: invalid JSON at byte 12: duplicate member "amount"
}

func ExampleEncodeHeaderValue() {
	fmt.Println(wire.EncodeHeaderValue("us-west1"), wire.EncodeHeaderValue("Hello, 世界"))
	// Output: us-west1 =?base64?SGVsbG8sIOS4lueVjA==?=
}
