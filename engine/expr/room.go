package expr

import (
	"bytes"
	"errors"
)

// Room is memory for what a search takes beside the text that it searches. A nil one has no end.
type Room interface {
	// Take counts n bytes, before they are there. It is false when there is no room for them.
	Take(n int64) bool
	// Give gives back n bytes that were taken.
	Give(n int64)
	// Tree is how many bytes one text may take while it is decoded; 0: any.
	Tree() int64
}

// ErrTree: the text holds so many values that it takes too much when it is decoded.
var ErrTree = errors.New("a text holds too many values")

// What is searched costs its account, in bytes. They are those of Go on 64 bits, of what stays until
// the search ends; TestAccount holds them against what is there.
const (
	nodeCost    = 96 // a node
	elementCost = 40 // its places among the items and in the value of a list, with room to grow
	memberCost  = 12 // its place among the items of an object
	listCost    = 24 // the value of a list
	objectCost  = 96 // two maps without members
	slotCost    = 64 // a member in both
	textCost    = 24 // a text that is decoded, beside its bytes
	foundCost   = 48 // a node that is found: its place and its text, with room to grow
	placeCost   = 96 // what the library says of a place
)

// Of a room little is not asked for, and the rest in portions.
const (
	forFree = 4 << 10
	portion = 64 << 10
)

// Account counts what is held beside a text, while it is held. It is made by [NewAccount].
type Account struct {
	room  Room
	held  int64
	until int64 // which what is held may take without a question
	err   error // why it may not take more
}

// NewAccount gives an account of which nothing is held.
func NewAccount(room Room) Account {
	a := Account{room: room, until: forFree}
	if room == nil {
		a.until = 1<<63 - 1
	}
	return a
}

// Add counts n bytes more. It is false when they are too many; [Account.Err] says why.
func (a *Account) Add(n int64) bool {
	a.held += n
	return a.held <= a.until || a.ask()
}

func (a *Account) ask() bool {
	if a.err != nil {
		return false
	}
	n := (a.held - a.until + portion - 1) / portion * portion
	if most := a.room.Tree(); most > 0 && a.held > most {
		a.err = ErrTree
	} else if !a.room.Take(n) {
		a.err = ErrNoRoom
	} else {
		a.until += n
	}
	return a.err == nil
}

// Err is [ErrTree] or [ErrNoRoom] once there was too much, and else nil.
func (a *Account) Err() error { return a.err }

// Close gives everything back.
func (a *Account) Close() {
	if a.room != nil && a.until > forFree {
		a.room.Give(a.until - forFree)
	}
}

// Decoded is about how many bytes the values of a JSON text take when they are decoded by somebody
// else, such as encoding/json or the interpreter of a script: rather too many. raw must be valid JSON.
func Decoded(raw []byte) int64 { return int64(len(raw)) + DecodedValues(raw) }

// DecodedValues is what of [Decoded] is beside the bytes of the text: lists and objects, and places
// for what is in them.
func DecodedValues(raw []byte) int64 {
	count := func(c string) int64 { return int64(bytes.Count(raw, []byte(c))) }
	if size := valuesSize(count("{"), count("["), count(",")); size <= worthASecondLook {
		return size
	}
	// Those in strings, of which a pasted table or program has many, are none.
	var seen [256]int64
	for i := 0; i >= 0 && i < len(raw); {
		c := raw[i]
		seen[c]++
		if i++; c == '"' {
			i = skipString(raw, i)
		}
	}
	return valuesSize(seen['{'], seen['['], seen[','])
}

// worthASecondLook is what of the bytes of DecodedValues is too little to find out which are in strings.
const worthASecondLook = 1 << 20

func valuesSize(objects, lists, commas int64) int64 { return 560*objects + 200*lists + 64*commas }
