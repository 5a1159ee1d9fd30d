// Checks of Go's clients, lib/pq and pgx. In: the server's URI, a query that computes for hours,
// and optionally names of checks. Out: for each check one line of JSON, {"check", "ok", "why"}.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"
)

const deadline = 30 * time.Second

var uri, compute string

type check struct {
	name string
	work func()
}

// failure is what a check panics with: the rest of it is not run.
type failure string

func fail(format string, values ...interface{}) {
	panic(failure(fmt.Sprintf(format, values...)))
}

func must(err error, what ...interface{}) {
	if err != nil {
		fail("%s%v", fmt.Sprintln(what...), err)
	}
}

func equal(got, want interface{}, what ...interface{}) {
	if !reflect.DeepEqual(got, want) {
		fail("%sgot %#v, want %#v", fmt.Sprintln(what...), got, want)
	}
}

// within ends with what went wrong, or "" when the work was done before the deadline.
func within(work func()) string {
	ended := make(chan string, 1)
	go func() {
		defer func() {
			switch caught := recover().(type) {
			case nil:
				ended <- ""
			case failure:
				ended <- string(caught)
			default:
				ended <- fmt.Sprintf("panic: %v %s", caught, debug.Stack())
			}
		}()
		work()
	}()
	select {
	case why := <-ended:
		return why
	case <-time.After(deadline):
		return fmt.Sprintf("no end after %v", deadline)
	}
}

func main() {
	uri, compute = os.Args[1], os.Args[2]
	wanted := map[string]bool{}
	for _, name := range os.Args[3:] {
		wanted[name] = true
	}
	all := append(append(pqChecks, pgxValueChecks...), pgxSessionChecks...)
	for _, one := range all {
		if len(wanted) > 0 && !wanted[one.name] {
			continue
		}
		why := strings.Join(strings.Fields(within(one.work)), " ")
		line, err := json.Marshal(map[string]interface{}{
			"check": one.name, "ok": why == "", "why": why,
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(string(line))
	}
}
