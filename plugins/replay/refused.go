package replay

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/google/uuid"
)

// refused is a row that is no event.
type refused struct {
	id     [16]byte
	wrong  fault
	raw    []byte
	file   string
	number int64
}

// letter is what is sent of a refused row. It has no event_type, so no consumer stores
// it and it becomes a dead letter; it has an id, so that it too is sent once.
type letter struct {
	ID     string `json:"event_id"`
	Replay struct {
		File   string `json:"file"`
		Row    int64  `json:"row"`
		Column string `json:"column,omitempty"`
		Reason string `json:"reason"`
		Want   string `json:"want"`
		// Raw is the row, or Base64 if it is not UTF-8.
		Raw    string `json:"raw,omitempty"`
		Base64 string `json:"raw_base64,omitempty"`
	} `json:"replay"`
}

// appendRefused appends a refused row's letter.
func appendRefused(dst []byte, r refused) []byte {
	l := letter{ID: uuid.UUID(r.id).String()}
	l.Replay.File, l.Replay.Row = r.file, r.number
	l.Replay.Column, l.Replay.Reason, l.Replay.Want = r.wrong.column, r.wrong.reason, r.wrong.want
	if utf8.Valid(r.raw) {
		l.Replay.Raw = string(r.raw)
	} else {
		l.Replay.Base64 = base64.StdEncoding.EncodeToString(r.raw)
	}
	out, err := json.Marshal(l)
	if err != nil {
		panic("replay: " + err.Error()) // texts and a number
	}
	return append(dst, out...)
}
