// Package fence shuts a process in: once inside it reaches the files that it was given
// and no others, starts no program and calls no server, whatever the code in it is made
// to do. The engine's own rules (users.xml) leave some doors of its own open, such as
// the function file(), and a library of 566 MB has doors that nobody has looked for.
//
// The kernel keeps the fence: Landlock the files (Linux 5.13), seccomp the rest.
package fence

// Rules are what the process may still use.
type Rules struct {
	// Own are folders in which it may do everything but start programs.
	Own []string
	// Read are files and folders that it may read; what is not there is left out.
	Read []string
}

// State says what the kernel keeps a process from.
type State struct {
	// Files: it reaches no file that it was not given.
	Files bool
	// Calls: it can neither start a program nor connect to a server.
	Calls bool
}

// mark names the environment variable by which a process knows that it is the second
// one, behind Enter. Whoever sets it by hand gets no fence, and State says so.
const mark = "CLICKSTREAM_FENCED"
