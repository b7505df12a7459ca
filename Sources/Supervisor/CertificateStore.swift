import Glibc
package import Policy

/// The work on certificates that takes X.509, of which the supervisor knows nothing. Times are seconds since 1970.
package protocol CertificateIssuer: Sendable {
    /// A new authority for the machine of that name.
    func makeAuthority(host: String, at now: Int) throws(Refusal) -> ServerIdentity
    func issue(for names: CertificateNames, by authority: ServerIdentity, at now: Int) throws(Refusal) -> ServerIdentity
    /// - Throws: why clients would refuse it.
    func check(_ identity: ServerIdentity, at now: Int) throws(Refusal)
    /// The facts of the first certificate in a PEM text.
    func facts(of pem: String) throws(Refusal) -> CertificateFacts
}

/// The files beneath STATE/tls, all of them the supervisor's alone (mode 0600). The authority's key is read when something is
/// to be issued and at no other time.
final class CertificateStore {
    private enum File: String, CaseIterable {
        case authority = "ca.pem"
        case authorityKey = "ca.key"
        /// The certificate that the authority has issued, with its key.
        case leaf = "leaf.pem"
        /// The certificate that the operator brought, with its key. It goes before `leaf`.
        case given = "given.pem"
    }

    private let directory: String
    private let issuer: any CertificateIssuer
    /// The certificate in force, as it was read or made last. nil: none was read yet, or there is none.
    private var held: Held?

    private typealias Held = (identity: ServerIdentity, facts: CertificateFacts, isOwn: Bool)

    init(directory: String, issuer: any CertificateIssuer) {
        self.directory = directory
        self.issuer = issuer
    }

    // MARK: what is in force

    /// The certificate for https listeners that clients know by `names`. Issues a new one if there is none, if its time is
    /// running out, or if it lacks one of the addresses. If that fails, `identity` is still there to be shown.
    func identity(for names: CertificateNames, at now: Int) throws(Refusal) -> ServerIdentity {
        try load()
        if let held, !isDue(held, for: names, at: now) { return held.identity }
        return try renew(for: names, at: now)
    }

    /// Whether a certificate is to be issued, because there is none or it will not do any more. Reads no file.
    func isDue(for names: CertificateNames, at now: Int) -> Bool {
        held.map { isDue($0, for: names, at: now) } ?? true
    }

    private func isDue(_ held: Held, for names: CertificateNames, at now: Int) -> Bool {
        held.isOwn && (held.facts.isEnding(at: now) || !held.facts.covers(names))
    }

    /// Reads the files, unless that has been done.
    func load() throws(Refusal) {
        if held == nil { held = try read() }
    }

    /// The certificate in force; nil: there is none.
    var identity: ServerIdentity? { held?.identity }
    var facts: CertificateFacts? { held?.facts }
    var isOwn: Bool { held?.isOwn ?? true }

    private func read() throws(Refusal) -> Held? {
        if let text = try read(.given) {
            let identity = ServerIdentity(certificates: text, key: text)
            do throws(Refusal) { return (identity, try checkedFacts(of: identity), false) } catch {
                throw Refusal(
                    "\(path(.given)): \(error); give it again with `gatehousectl tls use --cert FILE --key FILE`, or go "
                        + "back to the gateway's own with `gatehousectl tls use --own`")
            }
        }
        return try readOwn()
    }

    /// - Throws: why it is unusable whatever the time. A certificate that has ended is shown until there is another one, and
    ///   a clock that has not been set yet makes none useless.
    private func checkedFacts(of identity: ServerIdentity) throws(Refusal) -> CertificateFacts {
        let facts = try issuer.facts(of: identity.chain)
        try issuer.check(identity, at: facts.notAfter - 1)
        return facts
    }

    /// nil also for one that the present authority has not issued: devices do not trust it.
    private func readOwn() throws(Refusal) -> Held? {
        guard let text = try read(.leaf) else { return nil }
        let identity = ServerIdentity(certificates: text, key: text)
        if let authority = try read(.authority) {
            // A certificate comes with that of its authority.
            guard identity.chain.hasSuffix(ServerIdentity(certificates: authority, key: "").chain) else { return nil }
        }
        // A damaged certificate is no loss: another one is issued.
        guard let facts = try? checkedFacts(of: identity) else { return nil }
        return (identity, facts, true)
    }

    // MARK: changes

    /// A new certificate and a new key by the gateway's own authority, which is made if there is none.
    @discardableResult
    func renew(for names: CertificateNames, at now: Int) throws(Refusal) -> ServerIdentity {
        let own = try issue(for: names, at: now)
        held = own
        return own.identity
    }

    /// Issues a certificate and writes it. One that the operator brought stays in force while it is there.
    private func issue(for names: CertificateNames, at now: Int) throws(Refusal) -> Held {
        let authority = try authority(at: now)
        let identity: ServerIdentity
        do throws(Refusal) {
            identity = try issuer.issue(for: names, by: authority, at: now)
        } catch {
            throw Refusal(
                "\(path(.authority)), \(path(.authorityKey)): \(error); put back a copy of both files, or make another "
                    + "authority with `gatehousectl tls renew --authority`, which every device has to be given then")
        }
        let facts = try issuer.facts(of: identity.chain)
        try write([(.leaf, identity.pem)])
        return (identity, facts, true)
    }

    /// Another authority, and a certificate by it. What the former one vouched for is trusted no more by devices that are
    /// given the new one.
    func replaceAuthority(for names: CertificateNames, at now: Int) throws(Refusal) {
        let authority = try issuer.makeAuthority(host: hostName(), at: now)
        let identity = try issuer.issue(for: names, by: authority, at: now)
        let facts = try issuer.facts(of: identity.chain)
        try write([(.authorityKey, authority.key), (.authority, authority.chain), (.leaf, identity.pem)])
        held = (identity, facts, true)
    }

    /// Puts the certificate that the operator brings in force.
    func use(_ given: ServerIdentity, at now: Int) throws(Refusal) {
        try issuer.check(given, at: now)
        let facts = try issuer.facts(of: given.chain)
        try write([(.given, given.pem)])
        held = (given, facts, false)
    }

    /// The gateway's own again, which is there before what was brought goes.
    ///
    /// - Parameter names: nil: nothing is to be shown at present.
    func useOwn(for names: CertificateNames?, at now: Int) throws(Refusal) {
        var own: Held?
        if let names {
            own = try readOwn()
            if own.map({ isDue($0, for: names, at: now) }) ?? true { own = try issue(for: names, at: now) }
        }
        try remove(.given)
        held = own
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
        if try read(.authority) == nil { try makeAuthority(at: now) }
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
        try makeAuthority(at: now)
        return try read(.authority) ?? ""
    }

    /// Makes the next look issue a certificate, if the authority that issued this one is gone.
    private func makeAuthority(at now: Int) throws(Refusal) {
        let authority = try issuer.makeAuthority(host: hostName(), at: now)
        try write([(.authorityKey, authority.key), (.authority, authority.chain)])
        if isOwn { held = nil }
    }

    // MARK: backups

    /// The texts of all files that there are, by their names.
    func texts() throws(Refusal) -> [String: String] {
        var texts: [String: String] = [:]
        for file in File.allCases {
            if let text = try read(file) { texts[file.rawValue] = text }
        }
        return texts
    }

    /// Puts the texts of a backup in the place of those that there are.
    ///
    /// - Returns: whether anything is different now.
    func restore(_ texts: [String: String]) throws(Refusal) -> Bool {
        let known = texts.filter { File(rawValue: $0.key) != nil }
        guard try known != self.texts() else { return false }
        try write(File.allCases.compactMap { file in known[file.rawValue].map { (file: file, text: $0) } })
        for file in File.allCases where known[file.rawValue] == nil { try remove(file) }
        held = nil
        return true
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

    /// All of them or none: each has its new content on the disk before the first one gets its name. Of a single file there
    /// is either the old content or the new one, whenever the power fails (rename(2), fsync(2)).
    private func write(_ contents: [(file: File, text: String)]) throws(Refusal) {
        for (file, text) in contents { try prepare(text, for: file) }
        // An authority's key comes before its certificate: without that it is nothing, and both are made anew.
        if contents.contains(where: { $0.file == .authority }) { try remove(.authority) }
        for (file, _) in contents {
            guard rename(new(file), path(file)) == 0 else { throw failure(file, "cannot be written") }
        }
        syncDirectory()
    }

    /// The name under which `file` is written before it gets its own.
    private func new(_ file: File) -> String { path(file) + ".new" }

    private func prepare(_ text: String, for file: File) throws(Refusal) {
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw failure(file, "cannot be written") }
        let new = new(file)
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
        guard fsync(descriptor) == 0 else { throw failure(file, "cannot be written") }
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
