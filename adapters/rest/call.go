package rest

import (
	"io"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"capd/engine/plan"
)

// call is one request on its way through the adapter, until it is answered. Nothing of it is used
// after that: the next request gets the same memory.
type call struct {
	echo.Context
	op     *plan.Operation // that it runs, once that is known; for the log
	search search
}

// calls keeps the memory of calls that are over.
type calls struct {
	echo *echo.Echo
	pool sync.Pool
}

func newCalls() *calls {
	e := echo.New()
	e.Logger.SetOutput(io.Discard) // echo's own logger has nothing to say that is not logged here
	return &calls{echo: e}
}

// begin gives the call of a request.
func (k *calls) begin(w http.ResponseWriter, r *http.Request) *call {
	c, ok := k.pool.Get().(*call)
	if !ok {
		return &call{Context: k.echo.NewContext(r, w)}
	}
	c.Reset(r, w)
	return c
}

// end takes a call back. One that ends in a panic is not given back, since nobody knows who uses it.
func (k *calls) end(c *call) {
	c.Reset(nil, nil)
	*c = call{Context: c.Context}
	k.pool.Put(c)
}
