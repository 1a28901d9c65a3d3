// Go's net/http: one Transport, a goroutine for each request in flight. Takes load's command line and prints its line.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http2"
)

var (
	concurrency  = flag.Int("c", 1, "")
	requests     = flag.Int("n", 10000, "")
	warmUp       = flag.Int("warm-up", 0, "")
	rate         = flag.Float64("rate", 0, "")
	cacert       = flag.String("cacert", "", "")
	h1           = flag.Bool("http1.1", false, "")
	h2           = flag.Bool("http2", false, "")
	h2only       = flag.Bool("http2-prior-knowledge", false, "")
	fresh        = flag.Bool("close", false, "")
	noResumption = flag.Bool("no-resumption", false, "")
	_            = flag.Bool("json", false, "")
)

var opened, failed, received, next int64

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	atomic.AddInt64(&opened, 1)
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func transport() http.RoundTripper {
	if *h2only {
		return &http2.Transport{AllowHTTP: true, DialTLS: func(network, address string, _ *tls.Config) (net.Conn, error) {
			return dial(context.Background(), network, address)
		}}
	}
	trust := x509.NewCertPool()
	if *cacert != "" {
		pem, err := os.ReadFile(*cacert)
		if err != nil || !trust.AppendCertsFromPEM(pem) {
			fmt.Fprintln(os.Stderr, "gohttp: no certificates")
			os.Exit(1)
		}
	}
	config := &tls.Config{RootCAs: trust}
	if !*noResumption {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(16)
	}
	return &http.Transport{DialContext: dial, TLSClientConfig: config, ForceAttemptHTTP2: *h2, DisableKeepAlives: *fresh,
		DisableCompression: true, MaxIdleConnsPerHost: *concurrency + 1, MaxIdleConns: *concurrency + 1,
		MaxConnsPerHost: *concurrency, ReadBufferSize: 64 << 10}
}

func one(client *http.Client, url string) bool {
	response, err := client.Get(url)
	if err != nil {
		return false
	}
	n, err := io.Copy(io.Discard, response.Body)
	response.Body.Close()
	atomic.AddInt64(&received, n)
	return err == nil && response.StatusCode < 400
}

// Takes the next request until none is left; in an open loop each has its moment.
func work(client *http.Client, url string, begun time.Time, requests int, rate float64) []time.Duration {
	var latencies []time.Duration
	for {
		i := atomic.AddInt64(&next, 1) - 1
		if i >= int64(requests) {
			return latencies
		}
		start := time.Now()
		if rate > 0 {
			start = begun.Add(time.Duration(float64(i) * 1e9 / rate))
			time.Sleep(time.Until(start))
		}
		if one(client, url) {
			latencies = append(latencies, time.Since(start))
		} else {
			atomic.AddInt64(&failed, 1)
		}
	}
}

// All goroutines until the last request has ended.
func load(client *http.Client, url string, requests int, rate float64) (all []time.Duration) {
	var lock sync.Mutex
	var group sync.WaitGroup
	next, failed, received = 0, 0, 0
	begun := time.Now()
	for i := 0; i < *concurrency; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			latencies := work(client, url, begun, requests, rate)
			lock.Lock()
			all = append(all, latencies...)
			lock.Unlock()
		}()
	}
	group.Wait()
	return all
}

func cpu() (user, system float64) {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()) / 1e9, float64(usage.Stime.Nano()) / 1e9
}

func peakKB() (kb int) {
	status, _ := os.ReadFile("/proc/self/status")
	if _, rest, found := strings.Cut(string(status), "VmHWM:"); found {
		fmt.Sscan(rest, &kb)
	}
	return kb
}

func main() {
	url := os.Args[1]
	flag.CommandLine.Parse(os.Args[2:])
	client := &http.Client{Transport: transport()}
	load(client, url, *warmUp, 0)
	user, system := cpu()
	begun := time.Now()
	all := load(client, url, *requests, *rate)
	wall := time.Since(begun).Seconds()
	userEnd, systemEnd := cpu()
	user, system = userEnd-user, systemEnd-system
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(share*float64(len(all)-1))].Nanoseconds()) / 1e3
	}
	fmt.Printf(`{"name": "go", "requests": %d, "errors": %d, "bytes": %d, "wall_s": %.6f, "user_s": %.6f, "sys_s": %.6f, `+
		`"cpu_us_per_req": %.3f, "p50_us": %.1f, "p99_us": %.1f, "p999_us": %.1f, "maxrss_kb": %d, "connections_opened": %d}`+"\n",
		*requests, failed, received, wall, user, system, (user+system)*1e6/float64(*requests), at(0.5), at(0.99), at(0.999),
		peakKB(), opened)
}
