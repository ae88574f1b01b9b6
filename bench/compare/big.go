package main

import "context"

func big(context.Context, options) error { return nil }
