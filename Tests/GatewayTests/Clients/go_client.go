// Go's net/http. usage: go_client PROXY OUT; SSL_CERT_FILE and BLOB in the environment
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	// Go leaves names to a SOCKS5 proxy in any case.
	proxy, err := url.Parse(strings.Replace(os.Args[1], "socks5h:", "socks5:", 1))
	must(err)
	blob, err := os.ReadFile(os.Getenv("BLOB"))
	must(err)
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	keep := func(name string, answer *http.Response, err error) {
		must(err)
		body, err := io.ReadAll(answer.Body)
		must(err)
		answer.Body.Close()
		if answer.StatusCode != 200 {
			must(fmt.Errorf("%s: %s", name, answer.Status))
		}
		must(os.WriteFile(os.Args[2]+"/"+name, body, 0o600))
	}
	for name, base := range map[string]string{"plain": "http://origin.example:8000", "secure": "https://origin.example:8443"} {
		for range [3]int{} {
			answer, err := client.Get(base + "/blob")
			keep(name, answer, err)
		}
		answer, err := client.Post(base+"/echo", "application/octet-stream", bytes.NewReader(blob))
		keep(name+"-sent", answer, err)
		// Of unknown length, so in chunks.
		answer, err = client.Post(base+"/echo", "application/octet-stream", io.MultiReader(bytes.NewReader(blob)))
		keep(name+"-chunks", answer, err)
	}
}
