// The shop's worker: counts the orders it would send, and says on /healthz that it is still counting.
package main

import (
	"cmp"
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stop, forget := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer forget()
	go serveHealth(":" + cmp.Or(os.Getenv("PORT"), "8080"))

	ticker := time.NewTicker(5 * time.Second)
	for order := 1; ; order++ {
		log.Printf("worker: order %d sent", order)
		select {
		case <-ticker.C:
		case <-stop.Done():
			log.Print("worker: stopping")
			return
		}
	}
}

func serveHealth(address string) {
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	server := &http.Server{Addr: address, ReadHeaderTimeout: 5 * time.Second}
	log.Fatalf("worker: %v", server.ListenAndServe())
}
