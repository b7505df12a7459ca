import Address

// Who may begin conversations with whom: passages between zones, and forwards from the internet.

extension Policy {
    /// What the passage lets pass is let pass beside what passes between the two already.
    package mutating func allow(_ passage: Passage) throws(Refusal) {
        var passage = passage
        let index = passages.firstIndex { $0.ends == passage.ends }
        if let index {
            // Everything, in one of them, is what the other lets pass, too.
            let former = passages[index].services
            passage.services =
                former.isEmpty || passage.services.isEmpty
                ? [] : former + passage.services.filter { !former.contains($0) }
        }
        try check(passage)
        if let index { passages[index] = passage } else { passages.append(passage) }
    }

    package mutating func deny(_ ends: Passage.Ends) throws(Refusal) {
        guard let index = passages.firstIndex(where: { $0.ends == ends }) else {
            let others = passages.map { "\($0.ends)" }
            throw Refusal(
                "nothing is allowed from \(ends) beside what is answered"
                    + (others.isEmpty ? "" : "; the passages are \(listed(others))"))
        }
        passages.remove(at: index)
    }

    func check(_ passage: Passage) throws(Refusal) {
        try checkExists(zone: passage.from)
        try checkExists(zone: passage.to)
        guard passage.from != passage.to else {
            throw Refusal("within \(passage.from) everything passes already; name two zones")
        }
        guard passage.from != Zone.internet else {
            throw Refusal(
                "nobody comes in from the internet by zones; `gatehousectl forward add NAME tcp PORT to DEVICE` makes a door "
                    + "to a device")
        }
        for service in passage.services {
            guard case .other(let number) = service, [6, 17].contains(number.number) else { continue }
            throw Refusal("\(number) has ports; name them with `--\(number) PORT` (1-65535 are all of them)")
        }
    }

    package mutating func add(_ forward: Forward, in surroundings: Surroundings) throws(Refusal) {
        try check(forward)
        if forwards.contains(where: { $0.name == forward.name }) {
            throw Refusal(
                "there is a forward \(forward.name) already; `gatehousectl forward remove \(forward.name)` first, or choose "
                    + "another name")
        }
        let rivals = forwards.filter { $0.transport == forward.transport && $0.port == forward.port }
        for rival in rivals where rival.overlaps(forward) {
            throw Refusal(
                "\(forward.transport) \(forward.port) leads to \(rival.device) already, by the forward \(rival.name); choose "
                    + "another port")
        }
        try checkIsFree(forward, in: surroundings)
        forwards.append(forward)
    }

    package mutating func removeForward(named name: String) throws(Refusal) {
        guard let index = forwards.firstIndex(where: { $0.name == name }) else {
            throw Refusal("no forward \(name); `gatehousectl forward list` shows what there is")
        }
        forwards.remove(at: index)
    }

    /// A forward goes before whatever the gateway itself would answer on that port, which is then not to be had from outside.
    func checkIsFree(_ forward: Forward, in surroundings: Surroundings) throws(Refusal) {
        let taken =
            "\(forward.transport) \(forward.port) cannot be the forward \(forward.name) to \(forward.device) and"
        if forward.transport == .tcp,
            let listener = listeners.first(where: { listener in
                listener.endpoint.port == forward.port
                    && (interfaces(of: listener, in: surroundings) ?? wan).contains { wan.contains($0) }
            })
        {
            throw Refusal(
                "\(taken) the \(listener.kind.rawValue) listener on \(listener.endpoint) towards the internet; choose another "
                    + "port for one of them")
        }
        for opening in openings where isOpenToInternet(opening) {
            for case .ports(forward.transport, let ports) in opening.services where ports.contains(forward.port) {
                throw Refusal(
                    "\(taken) the opening \(opening.name) to the gateway itself; choose another port, or take one away: "
                        + "`gatehousectl forward remove \(forward.name)`, `gatehousectl firewall close \(opening.name)`"
                )
            }
        }
    }

    func check(_ forward: Forward) throws(Refusal) {
        guard (1...32).contains(forward.name.utf8.count), forward.name.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw Refusal("a forward's name is 1 to 32 letters, digits or signs without a space, like `web`") }
        guard forward.port > 0, forward.devicePort != 0 else {
            throw Refusal("the forward \(forward.name) is for port 0, which is none; ports are 1 to 65535")
        }
        guard device(named: forward.device) != nil else {
            throw Refusal("there is no device \(forward.device); `gatehousectl device list` shows what there is")
        }
        if let source = forward.source { try Self.checkMatches(source) }
    }
}

extension Forward {
    /// Whether somebody could come in by both.
    fileprivate func overlaps(_ other: Forward) -> Bool {
        guard let source, let others = other.source else { return true }
        return source.contains(others) || others.contains(source)
    }
}
