import Address

/// A client that was accepted and has its slot: its session is to begin.
struct AdmittedClient {
    let slot: Slot.Index
    let peer: Endpoint
    let session: SessionBody
}
