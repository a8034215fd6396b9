/** Why a handshake with a client failed, in the words of whoever has to mend it. */

export interface HandshakeTrouble {
  readonly why: string;
  /** Worth a line: it will happen again until somebody changes something. */
  readonly isNews: boolean;
}

const WORDS: readonly (readonly [code: RegExp, why: string])[] = [
  [/ALERT_UNKNOWN_CA/, "the client does not know the authority of our certificate"],
  [/ALERT_CERTIFICATE_EXPIRED/, "the client says that our certificate has expired"],
  [/ALERT_(BAD_)?CERTIFICATE(_UNKNOWN)?$/, "the client does not accept our certificate"],
  [/PEER_DID_NOT_RETURN_A_CERTIFICATE/, "the client has shown no certificate"],
  [/CERT_HAS_EXPIRED/, "the client's certificate has expired"],
  [/CERT_NOT_YET_VALID/, "the client's certificate is not valid yet"],
  [/CERT_REVOKED/, "the client's certificate was revoked"],
  [/CRL_HAS_EXPIRED/, "our list of revoked certificates (tls_crl_path) is out of date"],
  [/CRL/, "our list of revoked certificates (tls_crl_path) is not of the authority that signed it"],
  [
    /SELF_SIGNED|UNABLE_TO|CERTIFICATE_VERIFY|DEPTH_ZERO/,
    "an unknown authority has signed the client's certificate",
  ],
  [/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|WRONG_VERSION/, "the client wants TLS older than 1.2"],
  [/NO_SHARED_CIPHER/, "the client has no cipher in common with us"],
  [/NO_APPLICATION_PROTOCOL/, "the client speaks another protocol (ALPN)"],
];

/** People and load balancers look at a port and leave again: that is no news. */
const LEFT = /^(ECONNRESET|EPIPE|ERR_TLS_HANDSHAKE_TIMEOUT)$/;

/** `code`: of OpenSSL or Node; `message`: for what has no words here. */
export function handshakeTrouble(code = "", message = ""): HandshakeTrouble {
  const known = WORDS.find(([pattern]) => pattern.test(code));
  return { why: known?.[1] ?? message, isNews: !LEFT.test(code) };
}
