import Address

/// Devices of one zone may begin conversations with another zone.
package struct Passage: Codable, Hashable, Sendable {
    /// The zones between which it is; there is one passage between two zones, each way.
    package struct Ends: Hashable, Sendable {
        package var from: String
        package var to: String

        package init(from: String, to: String) {
            self.from = from
            self.to = to
        }
    }

    package var ends: Ends
    /// What may pass; empty: everything.
    package var services: [Opening.Service]

    package init(from: String, to: String, services: [Opening.Service] = []) {
        ends = Ends(from: from, to: to)
        self.services = services
    }

    package var from: String { ends.from }
    package var to: String { ends.to }
}

extension Passage: CustomStringConvertible {
    /// `guest to printers, tcp 631`.
    package var description: String {
        services.isEmpty ? "\(ends)" : "\(ends), \(services.map(\.description).joined(separator: ", "))"
    }
}

extension Passage.Ends: CustomStringConvertible, LosslessStringConvertible, Codable {
    /// `FROM to TO`.
    package init?(_ description: String) {
        let words = description.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[1] == "to", !words[0].isEmpty, !words[2].isEmpty else { return nil }
        self.init(from: String(words[0]), to: String(words[2]))
    }

    package var description: String { "\(from) to \(to)" }

    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
