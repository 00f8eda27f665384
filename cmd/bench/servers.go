package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync"
)

// serve is one of the processes beside capd. It prints its address and serves until it is killed.
func serve(kind string, args []string) error {
	switch kind {
	case "upstream":
		return listen(upstream())
	case "proxy":
		return listen(proxy(args[0], nil))
	case "pooled":
		return listen(proxy(args[0], &buffers{}))
	case "tool":
		return listen(tool(args[0]))
	case "parse":
		return parseStdin()
	}
	return fmt.Errorf("nothing serves as %q", kind)
}

// object is about as many bytes of JSON: a thing with a list of items.
func object(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":"42","name":"A thing","owner":{"id":7,"email":"owner@example.com"},"items":[`)
	for n := 0; b.Len() < size-60; n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"title":"Item number %d","done":%t,"price":%d.25}`, n, n, n%2 == 0, n)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// upstream answers GET /things/SIZE/ID.
func upstream() http.Handler {
	mux := http.NewServeMux()
	for name, size := range map[string]int{"1k": 1 << 10, "16k": 16 << 10, "1m": 1 << 20} {
		body := object(size)
		length := strconv.Itoa(len(body))
		mux.HandleFunc("GET /things/"+name+"/{id}", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", length)
			_, _ = w.Write(body)
		})
	}
	return mux
}

// transport is what a proxy in production has: as many idle connections as it needs.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxIdleConns = 1024, 1024
	return t
}

// proxy is httputil.ReverseProxy. Without buffers it allocates one of 32 KiB for each answer.
func proxy(to string, pool httputil.BufferPool) http.Handler {
	target, err := url.Parse(to)
	if err != nil {
		return http.NotFoundHandler()
	}
	p := httputil.NewSingleHostReverseProxy(target)
	p.Transport, p.BufferPool = transport(), pool
	return p
}

// buffers are what a proxy copies bodies through.
type buffers struct{ pool sync.Pool }

// Get is [httputil.BufferPool]'s.
func (b *buffers) Get() []byte {
	if x, ok := b.pool.Get().(*[32 << 10]byte); ok {
		return x[:]
	}
	return make([]byte, 32<<10)
}

// Put is [httputil.BufferPool]'s.
func (b *buffers) Put(x []byte) { b.pool.Put((*[32 << 10]byte)(x)) }

// tool is a handler for tools/call as one would write it by hand: it reads the JSON-RPC message,
// makes the upstream call and writes the result.
func tool(to string) http.Handler {
	client := &http.Client{Transport: transport()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage `json:"id"`
			Params struct {
				Name      string `json:"name"`
				Arguments struct {
					ID string `json:"id"`
				} `json:"arguments"`
			} `json:"params"`
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || call.Params.Name != "get-thing" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, to+"/things/1k/"+url.PathEscape(call.Params.Arguments.ID), nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		type content struct {
			Type string `json:"type"`
			Text string `json:"text"`
		}
		type result struct {
			Content    []content       `json:"content"`
			Structured json.RawMessage `json:"structuredContent"`
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct {
			Version string          `json:"jsonrpc"`
			ID      json.RawMessage `json:"id"`
			Result  result          `json:"result"`
		}{"2.0", call.ID, result{[]content{{"text", string(body)}}, body}})
	})
}

// listen serves on a free port of loopback and says which.
func listen(h http.Handler) error {
	l, err := localListener()
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "http://"+l.Addr().String())
	return http.Serve(l, h)
}
