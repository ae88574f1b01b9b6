package main

import (
	"fmt"
	"strconv"
	"strings"

	"clickstream/internal/deadletters"
)

func listLetters(r *dlqRun) error {
	book, err := r.read()
	if err != nil {
		return err
	}
	states := []deadletters.State{deadletters.Open}
	if r.Bool("all") {
		states = nil
	}
	entries := book.Choose(r.filter, states...)
	if r.Bool("json") {
		return deadletters.WriteListJSON(r.App.Writer, entries)
	}
	return deadletters.WriteList(r.App.Writer, entries)
}

func countLetters(r *dlqRun) error {
	book, err := r.read()
	if err != nil {
		return err
	}
	stats := book.Count(r.filter)
	if !r.Bool("no-table") {
		if stats.Table, err = r.compare(book); err != nil {
			return err
		}
	}
	if r.Bool("json") {
		return r.printJSON(stats)
	}
	return stats.WriteText(r.App.Writer)
}

func (r *dlqRun) compare(book *deadletters.Book) (*deadletters.Comparison, error) {
	conn, database, err := r.openDatabase()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return book.Compare(r.ctx, conn, database)
}

func showLetter(r *dlqRun) error {
	p, o, ok := strings.Cut(r.Args().First(), ":")
	partition, err1 := strconv.ParseInt(p, 10, 32)
	offset, err2 := strconv.ParseInt(o, 10, 64)
	if !ok || err1 != nil || err2 != nil || partition < 0 || offset < 0 || r.Args().Len() != 1 {
		return errUsage{fmt.Errorf("want one PARTITION:OFFSET such as 0:17, behind the flags, got %q; `clickstream dlq list` shows them", strings.Join(r.Args().Slice(), " "))}
	}
	client, err := r.open()
	if err != nil {
		return err
	}
	defer client.Close()
	record, err := deadletters.Fetch(r.ctx, client, r.letters, int32(partition), offset)
	if err != nil {
		return err
	}
	if r.Bool("raw") {
		_, err = r.App.Writer.Write(record.Value)
		return err
	}
	letter := deadletters.Parse(record)
	_, err = fmt.Fprint(r.App.Writer, deadletters.Show(&letter, record))
	return err
}
