package simulator

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestRhythm: the input itself, a scenario day in ten minutes with an hour of outage:
// the events of each hour follow the calendar, none is dated in the outage, and the
// day has as many as the rate says, less the outage's.
func TestRhythm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	write(t, path, "time_factor: 144\ntimeline: [outage: {at: \"15:00\", for: 1h}]\n")
	synctest.Test(t, func(t *testing.T) {
		s := connected(t, "{rhythm: on, rate: 100, seed: 5, scenario: "+path+"}")
		defer closed(t, s)
		begin := time.Now() // midnight: the bubble's clock begins on a Saturday, 2000-01-01
		var hours [24]float64
		last, total := begin, 0.0
		for {
			batch, ack := read(t, s)
			hour := int(time.Since(begin) / (25 * time.Second))
			if hour >= 24 {
				break
			}
			for _, m := range batch {
				d := decode(t, m)
				if late := time.Since(d.Timestamp); d.Timestamp.Before(last) || late < 0 || late > maxSpan {
					t.Fatalf("an event dated %s ago, %s after the one before", late, d.Timestamp.Sub(last))
				}
				last = d.Timestamp
			}
			hours[hour] += float64(len(batch))
			total += float64(len(batch))
			if err := ack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		// A day of real time is 144 scenario days: the bubble's midnight is a Saturday's
		// or another day's midnight, so hours fit, up to the figure of the day.
		var want [24]float64
		for h := range want {
			want[h] = 100 * (s.calendar.busy(time.Duration(h+1)*25*time.Second) - s.calendar.busy(time.Duration(h)*25*time.Second)).Seconds()
		}
		for h, got := range hours {
			if h == 15 {
				if got > 5 {
					t.Errorf("%v events in the outage", got)
				}
				continue
			}
			if got < want[h]-30 || got > want[h]+30 {
				t.Errorf("hour %d: got %v events, want %.0f", h, got, want[h])
			}
		}
		if low, high := hours[5], hours[13]; high < 4*low {
			t.Errorf("five in the morning has %v events, one in the afternoon %v: want a rhythm", low, high)
		}
		day := s.cfg.scenario.days[int((s.calendar.start+1)/86400)%7] / 100
		if total < 60_000*day*0.90 || total > 60_000*day*0.97 {
			t.Errorf("a day has %v events, want 60000 x %.2f less the outage's 6 %%", total, day)
		}
	})
}
