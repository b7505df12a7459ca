package import Policy
package import Reactor
import Wire

// How a client is received: counted, let in or not, and given over to the conversation of its protocol.
extension Relay {
    /// What is to be done with each client of `listener`.
    package func session(for listener: Listener) -> SessionBody {
        let entrance = Session.Entrance(listener)
        return { [self] reactor, client in
            let session = Session(client, by: entrance, in: sessions[reactor.index])
            session.count(under: limitTable)
            guard session.mayBegin else {
                if let refusal = session.refusal { session.note(.refused(.overLimit(refusal))) }
                return client.socket.resetOnClose()
            }
            guard listener.admits(session.address) else { return await turnAway(client, of: session, on: reactor) }
            session.enter(.request)
            switch session.kind {
            case .mixed: session.kind = await beginsAsSOCKS(client, on: listener) ? .socks5 : .http
            case .https: guard await secure(client, of: session, on: reactor) else { return }
            case .socks5, .http: break
            // Another role's.
            case .dns: return
            }
            if session.kind == .socks5 {
                await SOCKSConversation(relay: self, session: session, client: client).run(on: reactor)
            } else {
                await HTTPConversation(relay: self, session: session, client: client).run(on: reactor)
            }
        }
    }

    /// Tells a client from outside the listener's networks so, where that can be said before the client has said anything. Elsewhere not
    /// a word is said, as by a port that is shut.
    private func turnAway(_ client: Connection, of session: Session, on reactor: Reactor) async {
        session.note(.fromElsewhere)
        guard session.listener.kind == .http else { return }
        let answer = OwnResponse(.forbidden, reason: "this proxy does not serve clients from your network")
        await session.close(client, with: .words(answer.encode()), on: reactor)
    }

    /// Whether the client of a mixed listener speaks SOCKS. A SOCKS greeting begins with its version (RFC 1928 §3), a request of HTTP with
    /// a letter.
    private func beginsAsSOCKS(_ client: Connection, on listener: Listener) async -> Bool {
        _ = try? await client.fill()
        return switch client.inbox.unread.first {
        case 5: true
        case 4: listener.socks.allowsVersion4
        // A client that leaves, or says nothing in time, is answered in neither protocol.
        default: false
        }
    }
}
