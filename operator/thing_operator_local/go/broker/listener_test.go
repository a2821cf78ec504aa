package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

func TestWhyAHandshakeFailedIsSaid(t *testing.T) {
	certificate := &x509.Certificate{Raw: []byte("DER")}
	foreign := &tls.CertificateVerificationError{
		UnverifiedCertificates: []*x509.Certificate{certificate}, Err: x509.UnknownAuthorityError{},
	}
	cases := []struct {
		err  error
		want string
	}{
		{foreign, "not one of this cloud's"},
		{&unregisteredError{certificate}, "it was replaced, or its thing deleted"},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "does not speak TLS"},
		{errors.New("tls: client didn't provide a certificate"), "shows no certificate"},
		{errors.New("remote error: tls: unknown certificate authority"), "does it trust the cloud's CA"},
		{errors.New("local error: tls: bad record MAC"), "does it trust the cloud's CA"},
		{errors.New("remote error: tls: handshake failure"), "it ended the handshake: handshake failure"},
		{errors.New("tls: client offered only unsupported versions: [302]"), "only unsupported versions"},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), "longer than 30 s"},
		{io.EOF, "it left"},
	}
	for _, each := range cases {
		if got := handshakeFault(each.err); !says(got, each.want) {
			t.Errorf("%v: %q, want %q", each.err, got, each.want)
		}
	}
}

func TestAConnectionThatGetsNoSessionIsExplainedOnce(t *testing.T) {
	cases := []struct {
		err  error
		want string
	}{
		{nil, ""},
		{io.EOF, ""},                           // of an established session
		{packets.ErrBadUsernameOrPassword, ""}, // noted where it is decided
		{fmt.Errorf("read connection: %w", packets.ErrRejectPacket), ""},
		{fmt.Errorf("read connection: %w", packets.ErrProtocolViolationRequireFirstConnect), "first packet"},
		{fmt.Errorf("read connection: %w", io.EOF), "it left"},
		{fmt.Errorf("read connection: %w", os.ErrDeadlineExceeded), "longer than 30 s"},
	}
	for _, each := range cases {
		if got := connectionFault(each.err); !says(got, each.want) {
			t.Errorf("%v: %q, want %q", each.err, got, each.want)
		}
	}
}
