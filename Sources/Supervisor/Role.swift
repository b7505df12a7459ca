/// What a child process is for. Its title is all that it is started with: ps(1) shows what each one does.
package enum Role: String, Codable, CaseIterable, Sendable {
    case socks5, http, firewall

    /// Which of those it is who count in the ledger.
    var party: Int { self == .http ? 1 : 0 }

    package var title: String { "gatehoused: \(rawValue)" }

    package init?(title: String) {
        guard title.hasPrefix("gatehoused: ") else { return nil }
        self.init(rawValue: String(title.dropFirst("gatehoused: ".count)))
    }
}
