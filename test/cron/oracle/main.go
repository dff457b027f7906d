// The second opinion on cron expressions: robfig/cron parses them, and Go's own time zones say which minutes match.
//
// Each line of the input is "from until zone expression", times in seconds since 1970. The answer is "n hash": how
// many minutes in [from, until) match, and a hash of them, looked at minute by minute. With an argument: the same by following
// Next of robfig/cron, which never ends where a day begins at one o'clock. Or "error ..." for what it cannot parse.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

type minutes struct {
	from, until int64
	zone        string
	fields      []uint32 // of each minute: minute, hour, day, month, weekday
}

var known *minutes

func table(from, until int64, zone string, loc *time.Location) *minutes {
	if known != nil && known.from == from && known.until == until && known.zone == zone {
		return known
	}
	known = &minutes{from: from, until: until, zone: zone}
	for t := from; t < until; t += 60 {
		local := time.Unix(t, 0).In(loc)
		hour, minute, second := local.Clock()
		_, month, day := local.Date()
		if second != 0 {
			panic("an offset with seconds")
		}
		known.fields = append(known.fields,
			uint32(minute)|uint32(hour)<<6|uint32(day)<<11|uint32(month)<<16|uint32(local.Weekday())<<20)
	}
	return known
}

type sum struct{ n, hash uint64 }

func (s *sum) add(t int64) {
	s.n++
	for i := 0; i < 8; i++ {
		s.hash = (s.hash ^ uint64(t>>(8*i))&0xff) * 0x100000001b3
	}
}

const star = 1 << 63

func everyMinute(s *cron.SpecSchedule, m *minutes) (out sum) {
	out.hash = 0xcbf29ce484222325
	for i, f := range m.fields {
		if s.Minute>>(f&63)&1 == 0 || s.Hour>>(f>>6&31)&1 == 0 || s.Month>>(f>>16&15)&1 == 0 {
			continue
		}
		day, weekday := s.Dom>>(f>>11&31)&1 != 0, s.Dow>>(f>>20&7)&1 != 0
		ok := day || weekday
		if s.Dom&star != 0 || s.Dow&star != 0 {
			ok = day && weekday
		}
		if ok {
			out.add(m.from + int64(i)*60)
		}
	}
	return
}

func byNext(s cron.Schedule, from, until int64, loc *time.Location) (out sum) {
	out.hash = 0xcbf29ce484222325
	for t := s.Next(time.Unix(from-1, 0).In(loc)); !t.IsZero() && t.Unix() < until; t = s.Next(t) {
		out.add(t.Unix())
	}
	return
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var from, until int64
		var zone string
		parts := strings.SplitN(in.Text(), " ", 4)
		fmt.Sscan(parts[0], &from)
		fmt.Sscan(parts[1], &until)
		zone = parts[2]
		loc, err := time.LoadLocation(zone)
		if err != nil {
			fmt.Fprintln(out, "error", err)
			continue
		}
		parsed, err := cron.ParseStandard("CRON_TZ=" + zone + " " + parts[3])
		if err != nil {
			fmt.Fprintln(out, "error", err)
			continue
		}
		s, ok := parsed.(*cron.SpecSchedule)
		if !ok {
			fmt.Fprintln(out, "every", int64(parsed.(cron.ConstantDelaySchedule).Delay/time.Second))
			continue
		}
		var a sum
		if len(os.Args) > 1 {
			a = byNext(s, from, until, loc)
		} else {
			a = everyMinute(s, table(from, until, zone, loc))
		}
		fmt.Fprintln(out, a.n, a.hash)
	}
}
