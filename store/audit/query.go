// SPDX-License-Identifier: Apache-2.0

package audit

import "time"

// Query selects records; empty fields select all.
type Query struct {
	From, To time.Time // From is included, To is not
	Kinds    []Kind
	ID       string
	Labels   Labels // each field that is not empty must be equal; Tool also matches the displayed name or upstream/tool
	End      string // of outcomes and refusals
	Code     string // of refusals
	Text     string // part of the text of the record, whatever the case
	// Newest begins at the end of the log. Cursor is Page.Next of the page before; "" = the first.
	Newest bool
	Cursor string
	Limit  int // records on a page; 0 = 100
}

// Page is a part of the answer to a query.
type Page struct {
	Records []Found
	Next    string // cursor of the next page; "" = there is none
}

// Found is a record and its place.
type Found struct {
	Stored
	Record *Record
}
