import Glibc
package import Policy

/// What is done about certificates elsewhere, since the supervisor knows no X.509. Times are seconds since 1970.
package protocol CertificateIssuer: Sendable {
    /// A new authority for the machine of that name.
    func makeAuthority(host: String, at now: Int) throws(Refusal) -> ServerIdentity
    func issue(for names: CertificateNames, by authority: ServerIdentity, at now: Int) throws(Refusal) -> ServerIdentity
    /// Throws what would make clients refuse it.
    func check(_ identity: ServerIdentity, at now: Int) throws(Refusal)
    /// Of the first certificate in a PEM text.
    func facts(of pem: String) throws(Refusal) -> CertificateFacts
}

/// The files beneath STATE/tls, all of them the supervisor's alone (mode 0600). The authority's key is read when something is
/// to be issued and at no other time.
final class CertificateStore {
    private enum File: String {
        case authority = "ca.pem"
        case authorityKey = "ca.key"
        /// What the authority has issued, with its key.
        case leaf = "leaf.pem"
        /// What the operator brought, with its key. While it is there it goes before `leaf`.
        case given = "given.pem"
    }

    private let directory: String
    private let issuer: any CertificateIssuer
    /// What is in force, as it was read or made last.
    private var held: (identity: ServerIdentity, facts: CertificateFacts, isOwn: Bool)?

    init(directory: String, issuer: any CertificateIssuer) {
        self.directory = directory
        self.issuer = issuer
    }

    // MARK: what is in force

    /// What https listeners that clients know by `names` are to show. Issues something new if there is nothing, if its time
    /// is running out, or if it is not for all of the addresses.
    func identity(for names: CertificateNames, at now: Int) throws(Refusal) -> ServerIdentity {
        if held == nil { held = try read() }
        if let held, !isDue(for: names, at: now) { return held.identity }
        return try renew(for: names, at: now)
    }

    /// Whether there is something else to be shown than what is in force. Reads no file.
    func isDue(for names: CertificateNames, at now: Int) -> Bool {
        guard let held else { return true }
        return held.isOwn && (held.facts.isEnding(at: now) || !held.facts.covers(names))
    }

    var facts: CertificateFacts? { held?.facts }
    var isOwn: Bool { held?.isOwn ?? true }

    private func read() throws(Refusal) -> (ServerIdentity, CertificateFacts, isOwn: Bool)? {
        if let text = try read(.given) {
            let identity = ServerIdentity(certificates: text, key: text)
            do throws(Refusal) { return (identity, try issuer.facts(of: identity.chain), false) } catch {
                throw Refusal(
                    "\(path(.given)): \(error); give it again with `gatehousectl tls use --cert FILE --key FILE`, or go "
                        + "back to the gateway's own with `gatehousectl tls use --own`")
            }
        }
        guard let text = try read(.leaf) else { return nil }
        let identity = ServerIdentity(certificates: text, key: text)
        // Nothing is lost with one that is damaged: another one is issued.
        guard !identity.key.isEmpty, let facts = try? issuer.facts(of: identity.chain) else { return nil }
        return (identity, facts, true)
    }

    // MARK: changes

    /// A new certificate and a new key by the gateway's own authority, which is made if there is none.
    @discardableResult
    func renew(for names: CertificateNames, at now: Int) throws(Refusal) -> ServerIdentity {
        let authority = try authority(at: now)
        let identity: ServerIdentity
        do throws(Refusal) {
            identity = try issuer.issue(for: names, by: authority, at: now)
        } catch {
            throw Refusal(
                "\(path(.authority)), \(path(.authorityKey)): \(error); put back a copy of both files, or make another "
                    + "authority with `gatehousectl tls renew --authority`, which every device has to be given then")
        }
        try write(identity.pem, to: .leaf)
        held = (identity, try issuer.facts(of: identity.chain), true)
        return identity
    }

    /// Another authority. What the former one vouched for is trusted no more by devices that are given the new one.
    func replaceAuthority(at now: Int) throws(Refusal) {
        let authority = try issuer.makeAuthority(host: hostName(), at: now)
        // The key first: without its certificate it is nothing, and is made anew.
        try remove(.authority)
        try write(authority.key, to: .authorityKey)
        try write(authority.chain, to: .authority)
    }

    /// What the operator brings, from now on.
    func use(_ given: ServerIdentity, at now: Int) throws(Refusal) {
        try issuer.check(given, at: now)
        try write(given.pem, to: .given)
        held = (given, try issuer.facts(of: given.chain), false)
    }

    /// The gateway's own again.
    func useOwn() throws(Refusal) {
        try remove(.given)
        held = nil
    }

    // MARK: the authority

    /// The authority's certificate; nil: there is none yet.
    func authorityCertificate() throws(Refusal) -> String? { try read(.authority) }

    func authorityFacts() throws(Refusal) -> CertificateFacts? {
        guard let text = try read(.authority) else { return nil }
        do throws(Refusal) { return try issuer.facts(of: text) } catch {
            throw Refusal(
                "\(path(.authority)): \(error); put back a copy of it, or `gatehousectl tls renew --authority`")
        }
    }

    /// Makes one if there is none.
    private func authority(at now: Int) throws(Refusal) -> ServerIdentity {
        if try read(.authority) == nil { try replaceAuthority(at: now) }
        guard let certificate = try read(.authority), let key = try read(.authorityKey) else {
            throw Refusal(
                "\(path(.authorityKey)) is missing, so that nothing can be issued; put back a copy of it, or make another "
                    + "authority with `gatehousectl tls renew --authority`, which every device has to be given then")
        }
        return ServerIdentity(chain: certificate, key: key)
    }

    /// As `authorityCertificate`, made if there is none.
    func exportAuthority(at now: Int) throws(Refusal) -> String {
        if let text = try read(.authority) { return text }
        try replaceAuthority(at: now)
        return try read(.authority) ?? ""
    }

    // MARK: files

    private func path(_ file: File) -> String { "\(directory)/\(file.rawValue)" }

    /// nil: there is no such file.
    private func read(_ file: File) throws(Refusal) -> String? {
        let descriptor = open(path(file), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure(file, "cannot be read")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count)
            }
            guard more >= 0 else { throw failure(file, "cannot be read") }
            if more == 0 { break }
            count += more
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// Either the old content is there or the new one, whenever the power fails (rename(2), fsync(2)).
    private func write(_ text: String, to file: File) throws(Refusal) {
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw failure(file, "cannot be written") }
        let new = path(file) + ".new"
        unlink(new)
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure(file, "cannot be written") }
        defer { close(descriptor) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure(file, "cannot be written") }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, rename(new, path(file)) == 0 else { throw failure(file, "cannot be written") }
        syncDirectory()
    }

    private func remove(_ file: File) throws(Refusal) {
        guard unlink(path(file)) == 0 || errno == ENOENT else { throw failure(file, "cannot be removed") }
        syncDirectory()
    }

    private func syncDirectory() {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// Captures errno, so it must be the first thing after the call that failed.
    private func failure(_ file: File, _ what: String) -> Refusal {
        let code = errno
        return Refusal("\(path(file)) \(what): \(String(cString: strerror(code)))")
    }
}

/// This machine's name (gethostname(2)).
func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "" }
    return name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}
