package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
)

// kfake appends to groups.log and pids.log: entries of length, checksum, version (all
// little endian) and JSON. The length counts version and JSON, the checksum covers
// them.
const (
	entryHead    = 8
	entryVersion = 1
)

// readEntries hands each entry of a log to take and cuts off what a kill or a power
// cut tore. kfake skips a torn end but appends behind it, and would read nothing of
// that at the next start.
func readEntries(path string, take func(raw []byte) error) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := 0
	for rest := raw; len(rest) >= entryHead+2; rest = raw[whole:] {
		length := int64(binary.LittleEndian.Uint32(rest))
		if length < 2 || entryHead+length > int64(len(rest)) {
			break
		}
		body := rest[entryHead : entryHead+length]
		if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(rest[4:]) {
			break
		}
		if err := take(body[2:]); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		whole += entryHead + int(length)
	}
	if whole == len(raw) {
		return nil
	}
	return os.Truncate(path, int64(whole))
}

// appendEntry adds v as an entry to log.
func appendEntry(log []byte, v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	body := append(binary.LittleEndian.AppendUint16(nil, entryVersion), raw...)
	log = binary.LittleEndian.AppendUint32(log, uint32(len(body)))
	log = binary.LittleEndian.AppendUint32(log, crc32.Checksum(body, castagnoli))
	return append(log, body...), nil
}

// appendFile adds data to a file, on disk.
func appendFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// replaceFile writes a file in one step. A power cut may leave it empty: each of those
// written so can be made again from the log.
func replaceFile(path string, data []byte) error {
	if err := os.WriteFile(path+".tmp", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
