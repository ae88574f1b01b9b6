// Package exactlyonce is the protocol that makes every Kafka record exactly one
// row of a plain MergeTree table, whatever is killed, paused, cut off or late.
//
// It is pure: no socket, no clock, no randomness of its own. A [Writer] drives a
// [Table] (the server) and asks an [Assignment] (the consumer group); the model
// test drives the same Writer against servers and groups that misbehave.
//
// # The protocol
//
// A row carries its record's coordinate (stream, partition, offset), its event
// id, and the id of the owner that inserted it. The server keeps a fence: the
// owner of each partition. A constraint refuses every insert whose owner is not
// the one in the fence. For each partition a Writer goes through these stages:
//
//	confirm   only after a refused insert: commit offsets in the group's current
//	          generation; if the group refuses, the partition is somebody else's
//	fence     draw a new owner id and write it, once
//	drain     kill the inserts of every other owner, wait until none is running
//	measure   M := the highest visible offset
//	write     offsets at or below M are read back as a set of (offset, event id)
//	          and only what is absent is inserted; above M nothing is read
//
// A new assignment and every unknown outcome (an error, a timeout, a lost
// acknowledgement: the insert may have happened, in part, or may still happen)
// start over at fence. In the steady state an insert is acknowledged, the caller
// commits its offsets, and nothing is read.
//
// # Why each rule is there
//
//   - A new id after every unknown outcome: the old request may still be under
//     way. With a new id in the fence it is refused when it arrives.
//   - A fence write is sent once, and its id is thrown away if it was not
//     acknowledged: a copy that arrives late would make an id valid again that
//     another owner had already replaced, with rows read back in between.
//   - Drain after fence: what passed the constraint before the fence moved is
//     still running, and would add rows after the read-back.
//   - A set, not the highest offset: an insert that spans several partitions of
//     the table, or is cut short, leaves holes below its highest offset.
//   - The loser asks the group before it fences again: two writers that both
//     believe to own a partition would otherwise take it from each other for ever.
//   - The fence is empty after a restart. One that came back in another order than the
//     one in which it was obeyed would make an id valid again that had been replaced. It
//     may be emptied at any time: then no id passes, and each is drawn anew.
//   - What cannot be a row is looked for before it becomes a dead letter ([Writer.Absent]):
//     it may have been stored before a limit became stricter.
//   - Event ids are compared: a broker that lost its data gives old offsets to new
//     records. They are stored under another stream ([Successor]), never dropped.
//
// # Invariants
//
// W(o) is the number of visible rows of coordinate o.
//
//	I1  From the end of an owner's drain until the next fence write, only that owner
//	    adds rows of the partition: an id is in the fence once, without interruption.
//	I2  So what it reads back is complete, and its own inserts follow one another.
//	I3  A row is inserted only if it is absent from a complete set, or lies where
//	    nothing was visible and this owner has not written: W(o) <= 1.
//	I4  An offset is committed only when every record below it is visible or a dead
//	    letter, so whatever has W(o) = 0 is delivered again: W(o) >= 1 in the end.
//
// I1 to I3 are this package's; I4 is the caller's, who commits only what is
// [Written] and never commits for an assignment that was [Dropped]. They rest on:
// one server, or a quorum, that reads its own writes; acknowledged rows that stay;
// rows below the committed offset that nobody needs again; and an event
// id that is a function of the record (one drawn anew on each delivery would make
// every redelivered record look like another one).
package exactlyonce
