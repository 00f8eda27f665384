// Package httpclient sends rendered requests to real upstreams over HTTP/1.1 and HTTP/2.
//
// It holds the process's connection pools and nothing of any call. What it sends is the
// request as it was rendered: the target byte for byte, the headers as given. What it adds is
// the framing (Host, Content-Length or Transfer-Encoding, Accept-Encoding) and, when there is
// none, a User-Agent.
package httpclient
