import Address
import Logging
import Policy
import Reactor
import Wire

/// A client that speaks another protocol than its listener, as its first byte shows. It gets an answer in its own.
enum Stranger {
    case http, tls, socks5, socks4

    /// nil: nothing that is known here.
    init?(firstByte: UInt8?) {
        switch firstByte {
        case 0x16: self = .tls
        case 5: self = .socks5
        case 4: self = .socks4
        case .some(UInt8(ascii: "A")...UInt8(ascii: "Z")): self = .http
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .http: "HTTP"
        case .tls: "TLS"
        case .socks5: "SOCKS5"
        case .socks4: "SOCKS4"
        }
    }

    /// RFC 8446 §6: fatal, protocol_version, in a record that every version reads.
    fileprivate static let alert: [UInt8] = [0x15, 3, 1, 0, 2, 2, 70]
}

extension Relay {
    /// The last words to a client that speaks another protocol than its listener: an error in the client's own.
    func farewell(to stranger: Stranger, _ client: Connection, of session: Session) -> Farewell {
        let (listener, offer) = (session.listener, right(for: stranger, client, of: session))
        session.note(.otherProtocol(stranger.name))
        if mistakes.admits(session.address) {
            logger.notice(
                "a client speaks \(stranger.name) to the \(listener.kind) listener \(listener.endpoint)",
                metadata: ["client": "\(session.address)"])
        }
        switch stranger {
        case .tls: return .words(Stranger.alert)
        case .socks5: return .words(SOCKS5Method.noneAcceptable.reply)
        case .socks4: return .words(SOCKS4Reply.refused)
        case .http:
            let place = offer.map { "; the HTTP proxy of this gateway is \($0.endpoint)" } ?? ""
            return .words(OwnResponse(.notImplemented, reason: "this port speaks SOCKS and no HTTP\(place)").encode())
        }
    }

    /// The listener that the client means.
    private func right(for stranger: Stranger, _ client: Connection, of session: Session) -> Premises.Offer? {
        guard stranger == .http, let address = (try? client.socket.localAddress)?.address else { return nil }
        return premises.offers(to: session.client.address, at: address)
            .first { $0.kind == .http || $0.kind == .mixed }
    }
}
