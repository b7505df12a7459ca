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

    /// The TLS handshake of a client, within the deadline that it has. False if it came to nothing; whoever spoke HTTP in the clear has
    /// been told what is wrong then.
    func secure(_ client: borrowing Socket, on reactor: Reactor) async -> Bool {
        guard let server = tls.withLock({ $0 }),
            let layer = server.layer(over: client.descriptor, outbox: outboxes[reactor.index])
        else {
            client.resetOnClose()
            return false
        }
        client.secure(with: layer)
        do throws(Errno) {
            try await client.shakeHands()
            return true
        } catch {
            logger.debug("no TLS", metadata: ["why": "\(layer.complaint.isEmpty ? "\(error)" : layer.complaint)"])
        }
        client.removeLayer()
        let lastWords =
            layer.heardPlainHTTP
            ? OwnResponse(.badRequest, reason: "this port of the proxy speaks TLS; write https:// before its address")
            : nil
        await client.close(saying: lastWords?.encode() ?? [], within: limits.farewell)
        return false
    }
}
