// Package event is what the parts of clickstream share about one event: its
// fields and units, its JSON form, where it lies in Kafka, and why a row of it
// may be refused.
package event

// Type is what a visitor did. The numbers are those of the Enum8 in
// config/clickhouse; zero is no type.
type Type uint8

// The types that are stored. The simulator makes the first three;
// remove_from_cart comes from replays of recorded data only.
const (
	PageView Type = 1 + iota
	AddToCart
	Purchase
	RemoveFromCart
)

var typeNames = [...]string{
	PageView:       "page_view",
	AddToCart:      "add_to_cart",
	Purchase:       "purchase",
	RemoveFromCart: "remove_from_cart",
}

// String returns the type's name in JSON, and "" for a number that is no type.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return ""
}

// Event is one act of one visitor, as the tracker of a shop would send it. The
// fields stand in the order of the JSON object.
type Event struct {
	// ID is a UUID in the byte order of its text.
	ID [16]byte
	// Type must be one of the constants: any other makes no valid JSON.
	Type Type
	// UserID and ProductID are free text; the simulator's look like user_0042
	// and prod_123.
	UserID    string
	ProductID string
	// Price is in cents of the shop's one currency: what the product costs at the
	// moment of the event, for every type of event.
	Price int64
	// UnixMilli is the moment of the event in milliseconds since 1970, UTC.
	UnixMilli int64
}
