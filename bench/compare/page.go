package main

import "context"

func (f findings) write(context.Context, options) error { return nil }
