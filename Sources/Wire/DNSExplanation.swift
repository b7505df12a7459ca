/// Why an answer is what it is (extended DNS errors, RFC 8914). A client that speaks no EDNS is not told.
package struct DNSExplanation: Hashable, Sendable {
    package let code: UInt16
    /// UTF-8 for people; short.
    package let text: String

    package init(code: UInt16, text: String = "") {
        self.code = code
        self.text = text
    }

    /// The answer has outlived its time, and no server tells a newer one (§4.4).
    package static let stale = DNSExplanation(code: 3)
    /// The operator of this server does not want the name to be reached (§4.16).
    package static func blocked(by what: String) -> DNSExplanation { DNSExplanation(code: 15, text: what) }
    /// Nobody who might know could be reached (§4.23).
    package static let noReachableAuthority = DNSExplanation(code: 22)

    /// As an option of an OPT record.
    var option: [UInt8] {
        var option: [UInt8] = []
        option.append(number: UInt16(15))
        option.append(number: UInt16(2 + text.utf8.count))
        option.append(number: code)
        option += text.utf8
        return option
    }
}
