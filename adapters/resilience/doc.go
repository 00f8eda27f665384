// Package resilience keeps upstreams and their callers from hurting each other: it limits how
// often and how many at once, leaves an upstream that fails alone for a while, and sends again
// what may be sent again. It stands above the authentication of requests, so that each attempt is
// authenticated by itself, and below the cache, so that what is answered from there costs nothing.
//
// What it counts outlives a call and a reload: it is kept by the scope and the host of a request,
// and by the settings that count it.
package resilience
