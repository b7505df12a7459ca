/// A certificate with those that vouch for it, and its key, all as PEM. It has no description: the key must not reach a log
/// by accident.
package struct ServerIdentity: Codable, Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// The server's own certificate first (RFC 8446 §4.4.2).
    package var chain: String
    package var key: String

    package init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }

    /// What of two PEM texts is certificates, and what is a key; it may be one text that holds all.
    package init(certificates: String, key: String) {
        chain = pemBlocks(of: certificates) { $0.hasSuffix("CERTIFICATE-----") }
        self.key = pemBlocks(of: key) { $0.hasSuffix("PRIVATE KEY-----") }
    }

    /// The certificates of those that vouch for the server's own; empty: it brings none along.
    package var issuers: String {
        let end = "-----END CERTIFICATE-----\n"
        return chain.split(separator: end, omittingEmptySubsequences: true).dropFirst().map { $0 + end }.joined()
    }

    /// Both as one text: a file of its own is replaced as a whole.
    package var pem: String { key + chain }

    package var description: String { "server identity" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// The blocks of a PEM text (RFC 7468) whose first line is wanted.
private func pemBlocks(of text: String, where isWanted: (Substring) -> Bool) -> String {
    var blocks = ""
    var isInside = false
    for line in text.split(whereSeparator: \.isNewline) {
        if line.hasPrefix("-----BEGIN ") { isInside = isWanted(line) }
        if isInside { blocks += line + "\n" }
        if line.hasPrefix("-----END ") { isInside = false }
    }
    return blocks
}
