package import Address
internal import CNetfilter
internal import Glibc
package import Ruleset

/// What the kernel holds, compared with a ruleset.
package enum TableState: Hashable, Sendable {
    /// There is no table `inet gatehouse`.
    case absent
    case same
    /// In what it differs first.
    case different(String)
}

/// The way to the kernel's nftables: one netlink socket, in the network namespace in which it was made.
///
/// Blocking and synchronous. The kernel answers within the call that sends, so nothing here waits for anybody. Changing
/// and reading the table takes CAP_NET_ADMIN in the namespace and no other privilege.
package struct Netlink: ~Copyable {
    private let socket: OpaquePointer
    private var sequence: UInt32 = 0
    /// `enum nft_table_flags` for a table that is made.
    private var flags: UInt32
    /// What the table's rules had seen when it was last read.
    private var counters = CarriedCounters()

    /// The table as it was last read, and all that this has changed of it since, as long as the ruleset is of that generation. nil: it
    /// was not read yet, or what became of it is not known.
    private var known: (table: KernelTable?, generation: UInt32)?
    /// Whether this has written what the live sets hold: what they held before is not known to it.
    private var hasFilledSets = false
    /// The generation up to which nobody else has changed anything since this wrote all that the live sets hold. nil: it never did, or
    /// somebody else came in between.
    private var filled: UInt32?

    /// When the kernel last took a ruleset. nil: it never did.
    package private(set) var lastReplacement: ContinuousClock.Instant?

    /// - Parameter ownsTable: nobody else can change or flush the table as long as this socket is open, and it outlives it;
    ///   where the kernel knows that (Linux 6.9), and else as without. An owned table that does not outlive its owner would
    ///   open the door with its owner's death, so there is none.
    package init(ownsTable: Bool = false) throws(FirewallError) {
        socket = try open()
        flags = ownsTable ? UInt32(CNETFILTER_TABLE_OWNER | CNETFILTER_TABLE_PERSIST) : 0
        grow(SO_RCVBUFFORCE, to: 4 << 20)
    }

    /// Whether a table that this makes is guarded against everybody else.
    package var ownsTable: Bool { flags != 0 }

    deinit {
        mnl_socket_close(socket)
    }

    /// Makes the kernel hold exactly `ruleset`: in one transaction, or not at all. What was written is read back. What the kernel
    /// has already is left as it is, with all that it counts and remembers, and a rule that was there goes on counting where it was.
    ///
    /// - Parameter elements: what its live sets are to hold. Of a set that is there it is not looked at, unless this has never
    ///   written to it.
    package mutating func apply(_ ruleset: Ruleset, _ elements: LiveElements = .none) throws(FirewallError) {
        do throws(FirewallError) {
            guard try write(ruleset, elements) else { return }
        } catch {
            guard ownsTable, error.lacksTableFlags else { throw error }
            flags = 0
            try replace(with: ruleset, elements)
        }
        hasFilledSets = true
        let flaw: String?
        do throws(FirewallError) {
            switch try state(of: ruleset) {
            case .same: flaw = nil
            case .absent: flaw = "somebody deleted the table at once"
            case .different(let detail): flaw = "holds something else: \(detail)"
            }
        } catch {
            flaw = "it could not be read back: \(error)"
        }
        if let flaw { throw FirewallError("the kernel took the ruleset, but \(flaw)", isTaken: true) }
    }

    /// Where there is no table at all, one that lets in what the box's own network needs and nothing else: for a ruleset that
    /// the kernel refused. A table that is there stays as it is.
    package mutating func shut() throws(FirewallError) {
        if try tableFacts() == nil { try apply(.foundation) }
    }

    /// Elements come into the live sets of a ruleset that is in force, and go, in one transaction. Nothing is read for it.
    ///
    /// - Parameter held: what the sets have, as far as is known.
    package mutating func change(
        _ changes: [LiveChange], of sets: [LiveSet], held: LiveElements
    ) throws(FirewallError) {
        var kinds: [String: [LiveKey: LiveChange.Kind]] = [:]
        for change in changes { kinds[change.set, default: [:]][change.key] = change.kind }
        try writeElements { batch in
            for set in sets {
                if let kinds = kinds[set.name] { batch.change(kinds, of: set, held: held[set.name]) }
            }
        }
    }

    /// The live sets of a ruleset that is in force hold `elements` and nothing else, whatever they held.
    package mutating func refill(_ sets: [LiveSet], _ elements: LiveElements) throws(FirewallError) {
        try writeElements(isAll: true) { batch in
            for set in sets {
                batch.emptySet(set.name)
                batch.addElements(elements[set.name], to: set)
            }
        }
    }

    /// Whether the live sets hold what this has written to them, and nobody else can have changed that. The kernel numbers every change,
    /// so nothing is read and nothing written to know it.
    package mutating func holdsElements() throws(FirewallError) -> Bool {
        guard let filled else { return false }
        return try generation() == filled
    }

    /// How many packets each element of a set with one address to a key has counted.
    package mutating func elementCounts(of set: LiveSet) throws(FirewallError) -> [IPAddress: UInt64] {
        guard let object = nftnl_set_alloc() else { return [:] }
        defer { nftnl_set_free(object) }
        _ = try dumpElements(of: set.name, into: object)
        var counts: [IPAddress: UInt64] = [:]
        guard let iterator = nftnl_set_elems_iter_create(object) else { return [:] }
        defer { nftnl_set_elems_iter_destroy(iterator) }
        while let element = nftnl_set_elems_iter_next(iterator) {
            var (keyLength, length): (UInt32, UInt32) = (0, 0)
            guard let key = nftnl_set_elem_get(element, UInt16(NFTNL_SET_ELEM_KEY), &keyLength),
                let address = IPAddress(
                    networkBytes: UnsafeRawBufferPointer(start: key, count: Int(keyLength))),
                let counter = nftnl_set_elem_get(element, UInt16(NFTNL_SET_ELEM_EXPR), &length).map(OpaquePointer.init)
            else { continue }
            counts[address] = nftnl_expr_get_u64(counter, UInt16(NFTNL_EXPR_CTR_PACKETS))
        }
        return counts
    }

    /// - Parameter isAll: afterwards the live sets hold what is written and nothing else.
    private mutating func writeElements(
        isAll: Bool = false, _ fill: (inout Batch) -> Void
    ) throws(FirewallError) {
        for _ in 0..<Self.attempts {
            let generation: UInt32
            if let known { generation = known.generation } else { generation = try self.generation() }
            var batch = Batch(generation: generation)
            fill(&batch)
            // What has come and gone is of sets that the ruleset does not have.
            if batch.isEmpty { return }
            batch.end()
            let isDone: Bool
            do throws(FirewallError) {
                isDone = try commit(batch)
            } catch {
                // The kernel's number is as before, and the sets lack what was to be written.
                filled = nil
                throw error
            }
            if isDone {
                if known != nil { known?.generation = Self.next(generation) }
                noteChange(of: generation, fillsSets: isAll)
                return
            }
            // Somebody else changed the ruleset, the table perhaps.
            known = nil
        }
        throw FirewallError("another program keeps changing the kernel's ruleset: the elements were not written")
    }

    /// A transaction of our own was carried out on what was of that generation.
    private mutating func noteChange(of generation: UInt32, fillsSets: Bool) {
        if fillsSets || filled == generation { filled = Self.next(generation) }
    }

    /// The generation that a transaction of our own leads to: the kernel counts them, and leaves out 0.
    private static func next(_ generation: UInt32) -> UInt32 { generation == .max ? 1 : generation + 1 }

    /// False: the kernel holds `ruleset` already, or what it lacked of it were elements that it has acknowledged.
    private mutating func write(_ ruleset: Ruleset, _ elements: LiveElements) throws(FirewallError) -> Bool {
        // Leaves what the rules have seen in `counters`. Of a table that was flushed that is what was last read, and nothing
        // more is asked: the door stands open.
        for _ in 0..<Self.attempts {
            let before = known?.generation
            guard var table = try look(),
                var change = TableChange(from: table, to: ruleset, flags: flags, refills: !hasFilledSets)
            else { break }
            if change.isEmpty { return false }
            // What the rules have counted by now.
            if change.writesRules, known?.generation == before {
                guard let read = try read(),
                    let same = TableChange(from: read, to: ruleset, flags: flags, refills: !hasFilledSets)
                else { break }
                (table, change) = (read, same)
            }
            // The kernel begins with new rules some tenths of a second before it finds anything in a large set that came with
            // them, so the set comes first, and is read again with the rest.
            let part = change.networks ?? change
            do throws(FirewallError) {
                let generation = known?.generation
                guard try alter(part, elements), part == change else { continue }
                lastReplacement = .now
                guard change.isOfElementsAlone, let generation else { return true }
                table.apply(change)
                known = (table, Self.next(generation))
                return false
            } catch {
                // What stands in the way of a change, like a rule of somebody else's that leads to a chain of ours, goes with the
                // whole table.
                if error.isInterruption || error.lacksSocketMatch || error.lacksPacketLog { throw error }
                break
            }
        }
        try replace(with: ruleset, elements)
        return true
    }

    /// The table has to be known. False if somebody else changed the ruleset meanwhile.
    private mutating func alter(_ change: TableChange, _ elements: LiveElements) throws(FirewallError) -> Bool {
        guard let generation = known?.generation else { return false }
        known = nil
        var batch = Batch(generation: generation)
        batch.alter(change, counters: counters, elements: elements)
        batch.end()
        guard try commit(batch) else { return false }
        noteChange(of: generation, fillsSets: !hasFilledSets && change.networks == nil)
        return true
    }

    /// The table is made anew, whatever it was. Where it has sets of networks it lets nothing begin at first that they are asked
    /// about, for the kernel finds nothing in them yet.
    private mutating func replace(with ruleset: Ruleset, _ elements: LiveElements) throws(FirewallError) {
        let (flags, counters) = (flags, counters)
        let first = ruleset.networkSets.isEmpty ? ruleset : ruleset.withoutNetworks
        let generation = try transact { batch, exists in
            batch.replaceTable(
                with: first, networks: ruleset.networkSets, exists: exists, flags: flags, counters: counters,
                elements: elements)
        }
        lastReplacement = .now
        hasFilledSets = true
        noteChange(of: generation, fillsSets: true)
        guard first != ruleset else { return }
        do throws(FirewallError) {
            for _ in 0..<Self.attempts {
                guard let table = try read(),
                    let change = TableChange(from: table, to: ruleset, flags: flags, afterReplacement: true)
                else { return }
                if change.isEmpty { return }
                if try alter(change, elements) { return }
            }
        } catch {
            throw FirewallError("the kernel took the ruleset, but lets nothing begin yet: \(error)", isTaken: true)
        }
    }

    /// Compares the kernel's table with `ruleset`; the values of counters do not matter.
    package mutating func state(of ruleset: Ruleset) throws(FirewallError) -> TableState {
        guard let table = try read() else { return .absent }
        return table.difference(from: KernelTable(ruleset, flags: flags)).map { .different($0) } ?? .same
    }

    /// What the rules of `ruleset` that are counted had seen when the table was last read, in the ruleset's order. A rule of
    /// both parts of a trial is told once.
    package func counts(of ruleset: Ruleset) -> [RuleCount] {
        var counters = counters
        return ruleset.chains.flatMap { chain in
            chain.rules.compactMap { rule in
                counters.take(for: rule, in: chain).map { RuleCount(comment: rule.comment, counter: $0) }
            }
        }
    }

    /// Deletes the table, if there is one: the kernel then lets everything in.
    package mutating func remove() throws(FirewallError) {
        guard try read() != nil else { return }
        _ = try transact { batch, exists in
            if exists { batch.deleteTable() }
        }
        filled = nil
        counters = CarriedCounters()
    }

    // MARK: - Writing

    /// Somebody else who changes the kernel's ruleset makes ours be refused and tried again, this often.
    private static let attempts = 64

    /// - Parameter fill: is told whether the table exists.
    /// - Returns: the generation of what was changed.
    private mutating func transact(_ fill: (inout Batch, Bool) -> Void) throws(FirewallError) -> UInt32 {
        known = nil
        for _ in 0..<Self.attempts {
            let generation = try generation()
            var batch = Batch(generation: generation)
            fill(&batch, try tableFacts() != nil)
            batch.end()
            if try commit(batch) { return generation }
        }
        throw FirewallError(
            "another program keeps changing the kernel's ruleset: gave up after \(Self.attempts) attempts; "
                + "nothing was changed")
    }

    /// Carries out `batch`, if it asks for anything; false if the ruleset's generation is no longer the one that it was made for.
    mutating func commit(_ batch: Batch) throws(FirewallError) -> Bool {
        if batch.isEmpty { return true }
        grow(SO_SNDBUFFORCE, to: batch.bytes.count + 4096)
        try send(batch.bytes, "send the ruleset to the kernel")
        // All answers are queued when the send returns: nfnetlink works in the sender's context.
        var failures: [FirewallError] = []
        var hasEnded = false
        while let answer = try receive(waiting: false) {
            try answer.each { header throws(FirewallError) in
                guard let verdict = Acknowledgement(header) else { return }
                let index = Int(header.pointee.nlmsg_seq)
                guard index < batch.steps.count else { return }
                if verdict.error == 0 {
                    // Not the batch's end: its acknowledgement came with Linux 6.10.
                    hasEnded = hasEnded || index == batch.steps.count - 2
                } else {
                    failures.append(
                        FirewallError(
                            "cannot \(batch.steps[index])", errno: verdict.error, reason: verdict.reason,
                            step: batch.steps[index]))
                }
            }
        }
        if let first = failures.first {
            // Not in Glibc's errno.h: the kernel means it for itself.
            if first.errno == ERESTART { return false }
            if first.errno == EPERM, let facts = try tableFacts(), facts.owner != 0, facts.owner != portIdentifier {
                throw FirewallError(
                    "\(first.message); the table inet \(Ruleset.table) is owned by another program "
                        + "(`nft list table inet \(Ruleset.table)` names it)")
            }
            throw first
        }
        guard hasEnded else { throw FirewallError("the kernel did not acknowledge the ruleset") }
        return true
    }

    private func grow(_ option: CInt, to size: Int) {
        var bytes = CInt(clamping: size)
        // May fail without CAP_NET_ADMIN; then sending says so, with the better error.
        setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<CInt>.size))
    }

    // MARK: - Reading

    /// The table as it is known, or else read; nil if there is none.
    private mutating func look() throws(FirewallError) -> KernelTable? {
        if let known, try generation() == known.generation { return known.table }
        return try read()
    }

    /// The table, as it is read now; nil if there is none. Of one generation: a change in between makes the reading start over.
    private mutating func read() throws(FirewallError) -> KernelTable? {
        for _ in 0..<Self.attempts {
            let before = try generation()
            let table = try readOnce()
            if case .interrupted = table { continue }
            guard try generation() == before else { continue }
            guard case .complete(let table) = table else { continue }
            known = (table, before)
            if let table { counters = CarriedCounters(table) }
            return table
        }
        throw FirewallError("another program keeps changing the kernel's ruleset: it could not be read")
    }

    private enum Reading {
        case complete(KernelTable?)
        case interrupted
    }

    private mutating func readOnce() throws(FirewallError) -> Reading {
        guard let facts = try tableFacts() else { return .complete(nil) }
        var table = KernelTable()
        table.flags = facts.flags
        var isWhole = true

        isWhole = try dump(NFT_MSG_GETCHAIN, "read the chains") { header in
            guard let object = nftnl_chain_alloc() else { return }
            defer { nftnl_chain_free(object) }
            guard nftnl_chain_nlmsg_parse(header, object) == 0, let chain = KernelTable.Chain(object) else { return }
            table.chains.append(chain)
        }

        var anonymous: [AnonymousSet] = []
        let setTable = UInt16(NFTA_SET_TABLE.rawValue)
        isWhole =
            try dump(NFT_MSG_GETSET, "read the sets", attributes: [(setTable, Ruleset.table)]) { header in
                guard let object = nftnl_set_alloc() else { return }
                defer { nftnl_set_free(object) }
                guard nftnl_set_nlmsg_parse(header, object) == 0 else { return }
                if let set = AnonymousSet(object) {
                    anonymous.append(set)
                } else if text(nftnl_set_get_str(object, UInt16(NFTNL_SET_TABLE.rawValue))) == Ruleset.table {
                    table.namedSets.append(NamedSet(object))
                }
            } && isWhole

        var sets: [String: Instruction] = [:]
        for set in anonymous {
            guard let object = nftnl_set_alloc() else { continue }
            defer { nftnl_set_free(object) }
            isWhole = try dumpElements(of: set.name, into: object) && isWhole
            sets[set.name] = set.lookup(elementsOf: object)
        }

        for set in table.namedSets where set.isDeviceMap {
            guard let object = nftnl_set_alloc() else { continue }
            defer { nftnl_set_free(object) }
            isWhole = try dumpElements(of: set.name, into: object) && isWhole
            table.deviceMaps[set.name] = DeviceElement.elements(of: object)
        }

        let ruleTable = UInt16(NFTA_RULE_TABLE.rawValue)
        isWhole =
            try dump(NFT_MSG_GETRULE, "read the rules", attributes: [(ruleTable, Ruleset.table)]) { header in
                guard let object = nftnl_rule_alloc() else { return }
                defer { nftnl_rule_free(object) }
                guard nftnl_rule_nlmsg_parse(header, object) == 0,
                    text(nftnl_rule_get_str(object, UInt16(NFTNL_RULE_TABLE.rawValue))) == Ruleset.table,
                    let chain = text(nftnl_rule_get_str(object, UInt16(NFTNL_RULE_CHAIN.rawValue))),
                    let index = table.chains.firstIndex(where: { $0.name == chain })
                else { return }
                table.chains[index].rules.append(KernelTable.Rule(object, sets: sets))
            } && isWhole

        return isWhole ? .complete(table) : .interrupted
    }

    private mutating func dumpElements(of set: String, into object: OpaquePointer) throws(FirewallError) -> Bool {
        let attributes = [
            (UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), Ruleset.table),
            (UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set),
        ]
        return try dump(NFT_MSG_GETSETELEM, "read the set \(set)", attributes: attributes) { header in
            _ = nftnl_set_elems_nlmsg_parse(header, object)
        }
    }

    /// nil: there is no such table.
    private mutating func tableFacts() throws(FirewallError) -> (flags: UInt32, owner: UInt32)? {
        var facts: (UInt32, UInt32)?
        do {
            _ = try request(
                NFT_MSG_GETTABLE, "read the table", flags: NLM_F_ACK,
                attributes: [(UInt16(NFTA_TABLE_NAME.rawValue), Ruleset.table)]
            ) { header in
                guard let object = nftnl_table_alloc() else { return }
                defer { nftnl_table_free(object) }
                guard nftnl_table_nlmsg_parse(header, object) == 0 else { return }
                facts = (
                    nftnl_table_get_u32(object, UInt16(NFTNL_TABLE_FLAGS.rawValue)),
                    nftnl_table_get_u32(object, UInt16(NFTNL_TABLE_OWNER.rawValue))
                )
            }
        } catch  where error.errno == ENOENT {
            return nil
        }
        return facts
    }

    /// By which the kernel knows this socket, and by which it tells others who changed something.
    package var portIdentifier: UInt32 { mnl_socket_get_portid(socket) }

    /// Counts up with every change that anybody makes to this namespace's ruleset.
    mutating func generation() throws(FirewallError) -> UInt32 {
        var generation: UInt32 = 0
        _ = try request(NFT_MSG_GETGEN, "read the ruleset's generation", flags: NLM_F_ACK) { header in
            guard let object = nftnl_gen_alloc() else { return }
            defer { nftnl_gen_free(object) }
            guard nftnl_gen_nlmsg_parse(header, object) == 0 else { return }
            generation = nftnl_gen_get_u32(object, UInt16(NFTNL_GEN_ID))
        }
        return generation
    }

    /// False when the kernel's list changed while it was being read.
    mutating func dump(
        _ type: nf_tables_msg_types, _ purpose: String, family: CInt = CInt(CNETFILTER_FAMILY_INET),
        attributes: [(UInt16, String)] = [], _ body: (UnsafePointer<nlmsghdr>) -> Void
    ) throws(FirewallError) -> Bool {
        do {
            return try request(type, purpose, flags: NLM_F_DUMP, family: family, attributes: attributes, body)
        } catch  where error.errno == ENOENT || error.errno == EINTR {
            // The table, or the set, went away since it was seen.
            return false
        }
    }

    /// Sends one request and hands each message of the answer to `body`. False if the answer is not of one piece.
    private mutating func request(
        _ type: nf_tables_msg_types, _ purpose: String, flags: CInt, family: CInt = CInt(CNETFILTER_FAMILY_INET),
        attributes: [(UInt16, String)] = [], _ body: (UnsafePointer<nlmsghdr>) -> Void
    ) throws(FirewallError) -> Bool {
        sequence &+= 1
        let expected = sequence
        var message = [CChar](repeating: 0, count: 4096)
        let bytes = message.withUnsafeMutableBufferPointer { buffer -> [UInt8] in
            guard
                let header = nftnl_nlmsg_build_hdr(
                    buffer.baseAddress, UInt16(type.rawValue), UInt16(family), UInt16(flags), expected)
            else { return [] }
            for (attribute, value) in attributes { mnl_attr_put_strz(header, attribute, value) }
            return Array(UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len)))
        }
        try send(bytes, purpose)

        var isWhole = true
        var isDone = false
        while !isDone, let answer = try receive(waiting: true) {
            try answer.each { header throws(FirewallError) in
                // What is left of an earlier request that failed half-way.
                guard header.pointee.nlmsg_seq == expected else { return }
                if CInt(header.pointee.nlmsg_flags) & NLM_F_DUMP_INTR != 0 { isWhole = false }
                if let end = Acknowledgement(header) {
                    isDone = true
                    if end.error != 0 { throw FirewallError("cannot \(purpose)", errno: end.error, reason: end.reason) }
                } else if CInt(header.pointee.nlmsg_type) >= NLMSG_MIN_TYPE {
                    body(header)
                }
            }
        }
        return isWhole
    }

    // MARK: - The socket

    private func send(_ bytes: [UInt8], _ purpose: String) throws(FirewallError) {
        while mnl_socket_sendto(socket, bytes, bytes.count) < 0 {
            if errno != EINTR { throw FirewallError("cannot \(purpose)", errno: errno) }
        }
    }

    /// The next datagram; nil if there is none (only when not `waiting`).
    private func receive(waiting: Bool) throws(FirewallError) -> Answer? {
        // The kernel fills datagrams of a dump up to the size of the buffer that it has seen, 32 kB at most.
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let flags = CInt(MSG_TRUNC) | (waiting ? 0 : CInt(MSG_DONTWAIT))
            let count = recv(mnl_socket_get_fd(socket), &buffer, buffer.count, flags)
            if count >= 0 {
                guard count <= buffer.count else {
                    throw FirewallError("a netlink message of \(count) bytes is longer than expected")
                }
                return Answer(bytes: buffer, count: count)
            }
            switch errno {
            case EINTR: continue
            case EAGAIN where !waiting: return nil
            default: throw FirewallError("cannot read the kernel's answer", errno: errno)
            }
        }
    }
}

private func open() throws(FirewallError) -> OpaquePointer {
    guard let socket = mnl_socket_open2(NETLINK_NETFILTER, CInt(SOCK_CLOEXEC.rawValue)) else {
        throw FirewallError("cannot open a netlink socket", errno: errno)
    }
    guard mnl_socket_bind(socket, 0, 0) == 0 else {
        let reason = errno
        mnl_socket_close(socket)
        throw FirewallError("cannot bind a netlink socket", errno: reason)
    }
    // An error must name what failed, not repeat the message (CAP_ACK); the kernel's own sentence helps (EXT_ACK).
    for option in [NETLINK_CAP_ACK, NETLINK_EXT_ACK] {
        var on: CInt = 1
        mnl_socket_setsockopt(socket, option, &on, socklen_t(MemoryLayout<CInt>.size))
    }
    return socket
}

/// A datagram of netlink messages.
private struct Answer {
    var bytes: [UInt8]
    var count: Int

    func each(_ body: (UnsafePointer<nlmsghdr>) throws(FirewallError) -> Void) throws(FirewallError) {
        var failure: FirewallError?
        bytes.withUnsafeBytes { buffer in
            var rest = CInt(count)
            var header = buffer.baseAddress?.assumingMemoryBound(to: nlmsghdr.self)
            while let message = header, mnl_nlmsg_ok(message, rest) {
                do throws(FirewallError) {
                    try body(message)
                } catch {
                    failure = error
                    return
                }
                header = UnsafePointer(mnl_nlmsg_next(message, &rest))
            }
        }
        if let failure { throw failure }
    }
}

/// The kernel's verdict on a request: NLMSG_ERROR (0 is success), or NLMSG_DONE at the end of a dump.
private struct Acknowledgement {
    /// errno(3); 0: done.
    var error: CInt
    var reason: String?

    /// nil: the message is something else.
    init?(_ header: UnsafePointer<nlmsghdr>) {
        let type = CInt(header.pointee.nlmsg_type)
        guard type == NLMSG_ERROR || type == NLMSG_DONE,
            mnl_nlmsg_get_payload_len(header) >= MemoryLayout<CInt>.size, let payload = mnl_nlmsg_get_payload(header)
        else { return nil }
        error = -payload.loadUnaligned(as: CInt.self)
        guard type == NLMSG_ERROR, CInt(header.pointee.nlmsg_flags) & NLM_F_ACK_TLVS != 0 else { return }
        // After struct nlmsgerr; the request itself is not repeated (NETLINK_CAP_ACK).
        let end = UnsafeRawPointer(header) + Int(header.pointee.nlmsg_len)
        var place = payload + MemoryLayout<nlmsgerr>.size
        while let attribute = Optional(place.assumingMemoryBound(to: nlattr.self)),
            mnl_attr_ok(attribute, CInt(end - UnsafeRawPointer(place)))
        {
            if CInt(mnl_attr_get_type(attribute)) == CInt(NLMSGERR_ATTR_MSG.rawValue) {
                let length = Int(mnl_attr_get_payload_len(attribute))
                let bytes = UnsafeRawBufferPointer(start: mnl_attr_get_payload(attribute), count: length)
                reason = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            place = UnsafeMutableRawPointer(mnl_attr_next(attribute))
        }
    }
}
