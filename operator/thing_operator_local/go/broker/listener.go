package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// listener makes the TLS handshake itself, to tell why one fails, and tells of the end of each connection, after
// all that mochi does about it.
type listener struct {
	*listeners.Net
	takeovers *takeovers
}

func (l *listener) Serve(establish listeners.EstablishFn) {
	l.Net.Serve(func(id string, conn net.Conn) error {
		defer l.takeovers.ended(conn)
		if secure, isTLS := conn.(*tls.Conn); isTLS {
			if err := secure.Handshake(); err != nil {
				noteConnection(conn, "closed in the TLS handshake: "+handshakeFault(err))
				_ = conn.Close()
				return err
			}
		}
		err := establish(id, conn)
		if fault := connectionFault(err); fault != "" {
			noteConnection(conn, "closed before it was connected: "+fault)
		}
		return err
	})
}

const trust = "does it trust the cloud's CA, and ask for localhost?"

const unregistered = "its certificate is not registered: it was replaced, or its thing deleted"

// unregisteredError ends the handshake of a certificate that no thing has (any more).
type unregisteredError struct{ certificate *x509.Certificate }

func (e *unregisteredError) Error() string {
	return unregistered + " (" + described(e.certificate) + ")"
}

// handshakeFault says why a handshake failed, in the words of somebody who has to mend it.
func handshakeFault(err error) string {
	var foreign *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	text := err.Error()
	alert, refuses := strings.CutPrefix(text, "remote error: tls: ")
	switch {
	case errors.As(err, &foreign):
		shown := described(foreign.UnverifiedCertificates[0])
		return fmt.Sprintf("its certificate is not one of this cloud's (%s): %s", shown, foreign.Err)
	case errors.As(err, &noTLS):
		return "it does not speak TLS"
	case strings.Contains(text, "didn't provide a certificate"):
		return "it shows no certificate: a thing needs its own"
	case refuses && strings.Contains(alert, "certificate"):
		return fmt.Sprintf("it does not accept the cloud's certificate (%s): %s", alert, trust)
	case strings.Contains(text, "bad record MAC"):
		// Clients of OpenSSL's kind send this alert of TLS 1.3 in clear, where Go can read encrypted ones only.
		return "it probably does not accept the cloud's certificate (its alert cannot be read): " + trust
	case refuses:
		return "it ended the handshake: " + alert
	default:
		return ending(err)
	}
}

// connectionFault says why a connection did not get as far as a session; nothing when that is noted elsewhere.
func connectionFault(err error) string {
	cause := errors.Unwrap(err) // what ends an established session comes as it is
	var code packets.Code
	switch {
	case cause == nil || errors.Is(cause, packets.ErrRejectPacket):
		return ""
	case errors.As(cause, &code):
		return code.Reason
	default:
		return ending(cause)
	}
}

func ending(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("it took longer than %.0f s", connectWithin.Seconds())
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		return "it left"
	default:
		return err.Error()
	}
}

// described names a certificate: AWS's certificate id is its SHA-256.
func described(certificate *x509.Certificate) string {
	subject, issuer := certificate.Subject, certificate.Issuer
	return fmt.Sprintf("subject %q, issuer %q, SHA-256 %s", subject, issuer, fingerprint(certificate.Raw))
}
