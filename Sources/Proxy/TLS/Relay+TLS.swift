import Logging
import Reactor
import Synchronization
import Wire

// The listeners of kind https: TLS first, and then what http does.
extension Relay {
    /// From now on new clients of the https listeners are shown this; nil: there is nothing to show, and they are turned away.
    package func show(_ server: TLSServer?) {
        tls.withLock { $0 = server }
    }

    /// The TLS handshake of a client, within the deadline of the phase. False if it came to nothing; a client that spoke HTTP in the clear
    /// has been told what is wrong then.
    func secure(_ client: Connection, of session: Session, on reactor: Reactor) async -> Bool {
        guard let server = tls.withLock({ $0 }),
            let layer = server.layer(over: client.socket.descriptor, outbox: outboxes[reactor.index])
        else {
            session.note(.noTLS("there is no certificate to show"))
            client.socket.resetOnClose()
            return false
        }
        client.socket.secure(with: layer)
        do throws(Errno) {
            try await client.socket.shakeHands()
            return true
        } catch {
            let complaint = layer.complaint.isEmpty ? "\(error)" : layer.complaint
            session.note(.noTLS(complaint))
            logger.debug("no TLS", metadata: ["why": "\(complaint)"])
        }
        client.socket.removeLayer()
        let lastWords =
            layer.heardPlainHTTP
            ? OwnResponse(.badRequest, reason: "this port of the proxy speaks TLS; write https:// before its address")
            : nil
        await session.close(client, with: .words(lastWords?.encode() ?? []), on: reactor)
        return false
    }
}
