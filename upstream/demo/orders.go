// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// order is one row of the database. Amounts are in cents.
type order struct {
	ID       int    `json:"id"`
	Customer string `json:"customer"`
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
	Cents    int    `json:"amount_cents"`
	Status   string `json:"status" jsonschema:"open, paid, shipped or cancelled"`
	Placed   string `json:"placed" jsonschema:"date, YYYY-MM-DD"`
}

func statuses() []string { return []string{"open", "paid", "shipped", "cancelled"} }

type orders struct {
	now func() time.Time

	mu   sync.Mutex // guards what follows
	rows []order
	next int
}

// Orders connects to a database of orders: list, get, create and update, and delete, which destroys.
func Orders(context.Context) (io.ReadWriteCloser, error) { return serve(newOrders(time.Now).server()) }

func newOrders(now func() time.Time) *orders {
	return &orders{now: now, next: 1006, rows: []order{
		{1001, "Harbour Café", "sencha, 1 kg", 4, 15600, "shipped", "2026-10-02"},
		{1002, "Station Books", "earl grey, 500 g", 10, 19000, "paid", "2026-10-19"},
		{1003, "Harbour Café", "filter paper, 1000 pcs", 2, 3400, "open", "2026-11-03"},
		{1004, "Mill & Daughters", "assam, 5 kg", 1, 9900, "open", "2026-11-11"},
		{1005, "Station Books", "gift boxes", 40, 26000, "cancelled", "2026-11-12"},
	}}
}

func (o *orders) server() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "orders", Title: "Order database", Version: "1"}, &mcp.ServerOptions{
		Instructions: "Orders of a tea merchant. Amounts are in cents.",
		Capabilities: &mcp.ServerCapabilities{},
	})
	mcp.AddTool(s, &mcp.Tool{Name: "list_orders", Description: "List orders, newest first, optionally of one customer or status.", Annotations: readOnly("List orders")}, o.list)
	mcp.AddTool(s, &mcp.Tool{Name: "get_order", Description: "Get one order by its id.", Annotations: readOnly("Get an order")}, o.get)
	mcp.AddTool(s, &mcp.Tool{Name: "create_order", Description: "Place a new order; it starts as open.", Annotations: writes("Place an order", false)}, o.create)
	mcp.AddTool(s, &mcp.Tool{Name: "update_order_status", Description: "Change the status of an order.", Annotations: writes("Change an order's status", false)}, o.update)
	mcp.AddTool(s, &mcp.Tool{Name: "delete_order", Description: "Delete an order for good. This cannot be undone.", Annotations: writes("Delete an order", true)}, o.delete)
	return s
}

type listIn struct {
	Customer string `json:"customer,omitempty" jsonschema:"exact name of the customer"`
	Status   string `json:"status,omitempty" jsonschema:"open, paid, shipped or cancelled"`
}

type listOut struct {
	Orders []order `json:"orders"`
	Cents  int     `json:"total_cents"`
}

func (o *orders) list(_ context.Context, _ *mcp.CallToolRequest, in listIn) (*mcp.CallToolResult, listOut, error) {
	if in.Status != "" && !slices.Contains(statuses(), in.Status) {
		return nil, listOut{}, badStatus(in.Status)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := listOut{Orders: []order{}}
	for _, r := range slices.Backward(o.rows) {
		if (in.Customer == "" || r.Customer == in.Customer) && (in.Status == "" || r.Status == in.Status) {
			out.Orders = append(out.Orders, r)
			out.Cents += r.Cents
		}
	}
	return nil, out, nil
}

func badStatus(s string) error { return fmt.Errorf("unknown status %q: use one of %v", s, statuses()) }

// at returns the index of an order; o.mu is held.
func (o *orders) at(id int) (int, error) {
	i := slices.IndexFunc(o.rows, func(r order) bool { return r.ID == id })
	if i < 0 {
		return 0, fmt.Errorf("there is no order %d", id)
	}
	return i, nil
}

type idIn struct {
	ID int `json:"id" jsonschema:"id of the order"`
}

func (o *orders) get(_ context.Context, _ *mcp.CallToolRequest, in idIn) (*mcp.CallToolResult, order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, err := o.at(in.ID)
	if err != nil {
		return nil, order{}, err
	}
	return nil, o.rows[i], nil
}

type createIn struct {
	Customer string `json:"customer"`
	Item     string `json:"item"`
	Quantity int    `json:"quantity" jsonschema:"at least 1"`
	Cents    int    `json:"amount_cents" jsonschema:"price of the whole order in cents"`
}

func (o *orders) create(_ context.Context, _ *mcp.CallToolRequest, in createIn) (*mcp.CallToolResult, order, error) {
	if in.Customer == "" || in.Item == "" || in.Quantity < 1 || in.Cents < 0 {
		return nil, order{}, fmt.Errorf("an order needs a customer, an item, a quantity of at least 1 and an amount that is not negative")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	r := order{o.next, in.Customer, in.Item, in.Quantity, in.Cents, "open", o.now().Format(time.DateOnly)}
	o.next++
	o.rows = append(o.rows, r)
	return nil, r, nil
}

type updateIn struct {
	ID     int    `json:"id" jsonschema:"id of the order"`
	Status string `json:"status" jsonschema:"open, paid, shipped or cancelled"`
}

func (o *orders) update(_ context.Context, _ *mcp.CallToolRequest, in updateIn) (*mcp.CallToolResult, order, error) {
	if !slices.Contains(statuses(), in.Status) {
		return nil, order{}, badStatus(in.Status)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	i, err := o.at(in.ID)
	if err != nil {
		return nil, order{}, err
	}
	o.rows[i].Status = in.Status
	return nil, o.rows[i], nil
}

type deleteOut struct {
	Deleted order `json:"deleted"`
	Left    int   `json:"left" jsonschema:"number of orders left"`
}

func (o *orders) delete(_ context.Context, _ *mcp.CallToolRequest, in idIn) (*mcp.CallToolResult, deleteOut, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, err := o.at(in.ID)
	if err != nil {
		return nil, deleteOut{}, err
	}
	gone := o.rows[i]
	o.rows = slices.Delete(o.rows, i, i+1)
	return nil, deleteOut{gone, len(o.rows)}, nil
}
