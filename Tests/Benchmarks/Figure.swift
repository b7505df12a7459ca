/// One thing that is measured: where a record holds it, how it is shown, and what Gatehouse has to reach in it.
struct Figure: Sendable {
    /// What a figure has to be.
    struct Bar: Sendable {
        enum Limit: Sendable {
            case atLeast(Double)
            case atMost(Double)
        }

        var limit: Limit
        /// Against the best peer of the same kind, or as it stands.
        var isRatio = true
        /// For this kind alone; nil: for each.
        var kind: String?

        func isMet(by value: Double) -> Bool {
            switch limit {
            case .atLeast(let bound): value >= bound
            case .atMost(let bound): value <= bound
            }
        }

        var text: String {
            let bound =
                switch limit {
                case .atLeast(let bound): "≥ \(isRatio ? "×" : "")\(rounded(bound))"
                case .atMost(let bound): "≤ \(isRatio ? "×" : "")\(rounded(bound))"
                }
            return bound
        }
    }

    var title: String
    /// The record's measure and the name of the value in it.
    var measure: String
    var value: String
    var scale = 1.0
    var moreIsBetter = false
    var bar: Bar?

    /// In the order in which they are shown.
    static let all =
        bulk("down", "download") + bulk("up", "upload") + [
            Figure(
                title: "sessions per s", measure: "sessions", value: "rate", moreIsBetter: true,
                bar: Bar(limit: .atLeast(1.3))),
            Figure(
                title: "  CPU µs each", measure: "sessions", value: "cpu", scale: 1e6,
                bar: Bar(limit: .atMost(0.7), kind: "SOCKS5")),
            Figure(title: "  failed", measure: "sessions", value: "errors"),
            Figure(
                title: "ping-pong, 16 flows, p50 µs", measure: "ping", value: "p50", scale: 1e6,
                bar: Bar(limit: .atMost(1))),
            Figure(title: "  p99 µs", measure: "ping", value: "p99", scale: 1e6, bar: Bar(limit: .atMost(1))),
            Figure(title: "  CPU µs each", measure: "ping", value: "cpu", scale: 1e6),
            Figure(
                title: "kB per idle tunnel", measure: "idle", value: "bytes", scale: 1e-3,
                bar: Bar(limit: .atMost(0.5), isRatio: false)),
            Figure(
                title: "sessions per s beside them, of those without", measure: "idle", value: "beside",
                moreIsBetter: true, bar: Bar(limit: .atLeast(0.95), isRatio: false)),
            Figure(title: "  CPU each, of that without", measure: "idle", value: "besideCPU"),
            Figure(
                title: "absolute-form requests per s", measure: "requests", value: "rate", moreIsBetter: true,
                bar: Bar(limit: .atLeast(1.2))),
            Figure(title: "  CPU µs each", measure: "requests", value: "cpu", scale: 1e6),
            Figure(title: "  failed", measure: "requests", value: "errors"),
            Figure(
                title: "TLS handshakes per s", measure: "handshakes", value: "rate", moreIsBetter: true,
                bar: Bar(limit: .atLeast(1))),
            Figure(title: "  CPU µs each", measure: "handshakes", value: "cpu", scale: 1e6),
            Figure(title: "  failed", measure: "handshakes", value: "errors"),
            Figure(
                title: "download inside TLS, 8 flows, Gbit/s", measure: "encrypted", value: "gbit", moreIsBetter: true),
            Figure(title: "  CPU s/GB", measure: "encrypted", value: "cpu", bar: Bar(limit: .atMost(1))),
        ] + datagrams("datagrams", "udp-64", rate: 2.5, cpu: 0.4)
        + datagrams("datagrams", "udp-1200", rate: 2.5, cpu: 0.4)
        + datagrams("QUIC's datagrams", "quic-1200", rate: 3.5, cpu: 0.15)

    /// Echoes of one size through UDP associations.
    private static func datagrams(_ name: String, _ measure: String, rate: Double, cpu: Double) -> [Figure] {
        let size = measure.split(separator: "-")[1]
        return [
            Figure(
                title: "\(name) of \(size) bytes there and back, per s", measure: measure, value: "rate",
                moreIsBetter: true, bar: Bar(limit: .atLeast(rate))),
            Figure(
                title: "  CPU µs each", measure: measure, value: "cpu", scale: 1e6, bar: Bar(limit: .atMost(cpu))),
            Figure(title: "  lost", measure: measure, value: "errors"),
        ]
    }

    /// One direction with 1, 8 and 64 flows.
    private static func bulk(_ verb: String, _ name: String) -> [Figure] {
        [1, 8, 64].flatMap { flows in
            let measure = Bulk.measure(verb, flows: flows)
            return [
                Figure(
                    title: "\(name), \(flows) flow\(flows == 1 ? "" : "s"), Gbit/s", measure: measure, value: "gbit",
                    moreIsBetter: true, bar: Bar(limit: .atLeast(1.05))),
                Figure(title: "  CPU s/GB", measure: measure, value: "cpu", bar: Bar(limit: .atMost(0.6))),
            ]
        }
    }
}
