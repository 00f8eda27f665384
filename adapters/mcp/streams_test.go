package mcp

import (
	"context"
	"testing"
)

func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	s := newStreams(10)
	one, leaveOne, ok1 := s.join(context.Background())
	two, leaveTwo, ok2 := s.join(context.Background())
	if !ok1 || !ok2 {
		t.Fatal("a stream was not taken")
	}
	leaveOne()
	if one.Err() == nil {
		t.Error("the context outlives its stream")
	}
	ended := s.end()
	if two.Err() == nil {
		t.Error("the stream goes on")
	}
	select {
	case <-ended:
		t.Error("ended before the last stream left")
	default:
	}
	leaveTwo()
	<-ended
	late, leave, ok := s.join(context.Background())
	leave()
	if ok || late.Err() == nil {
		t.Error("a stream was taken after the end")
	}
	<-s.end()
}

func TestStreamsEndWithNoneOpen(t *testing.T) {
	t.Parallel()
	<-newStreams(10).end()
}
