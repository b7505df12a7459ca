extension Ruleset {
    /// `new` for `seconds`, then `old` again: by the kernel's own clock, whatever process is alive by then.
    ///
    /// Each packet goes to the chains of `new` as long as a timed map sends it there, and else to those of `old`. Both let
    /// connections go on that exist, once they have asked whether somebody ended them; where a part has no chain at all, they go
    /// on, as ever. The kernel is to be given one of the two alone as soon as it is decided; neither
    /// may be a trial itself.
    package static func trial(new: Ruleset, old: Ruleset, seconds: UInt32) -> Ruleset {
        let new = new.renamed(suffix: newSuffix)
        let old = old.renamed(suffix: oldSuffix)
        var trial = Ruleset(
            meters: new.meters + old.meters, deviceMaps: new.deviceMaps + old.deviceMaps, chains: [])
        var bases: [(name: String, base: Base)] = []
        for chain in new.chains + old.chains {
            guard let base = chain.base, !bases.contains(where: { $0.base.isSamePlace(as: base) }) else { continue }
            bases.append(("\(base.hook)", base))
        }
        for (index, (hook, base)) in bases.enumerated() {
            // Two chains of one hook, of different priorities.
            let isAlone = bases.count { $0.name == hook } == 1
            let name = isAlone ? hook : "\(hook)\(index)"
            let map = TimedMap(name: "trial_\(name)", seconds: seconds, verdict: .goto(name + newSuffix))
            trial.maps.append(map)
            let isOfBoth = new.hasChain(at: base) && old.hasChain(at: base)
            let answers = Rule(decision: .byState([.established: .accept, .related: .accept]), comment: "answers")
            trial.chains.append(
                Chain(
                    name: name, base: Base(kind: base.kind, hook: base.hook, priority: base.priority, policy: .drop),
                    rules: (isOfBoth ? [] : [answers]) + [
                        Rule(decision: .byMap(map.name), comment: "on trial"),
                        Rule([], .goto(name + oldSuffix), comment: "as before"),
                    ]))
            trial.chains.append(new.chain(at: base, named: name + newSuffix))
            trial.chains.append(old.chain(at: base, named: name + oldSuffix))
        }
        trial.chains += (new.chains + old.chains).filter { $0.base == nil }
        return trial
    }

    /// Whether this is a trial, of which a part decides for a time only.
    package var isTrial: Bool { !maps.isEmpty }

    /// The same trial for the time that is left of it. None left: the old ruleset alone decides.
    package func lasting(_ seconds: UInt32) -> Ruleset {
        var ruleset = self
        for index in ruleset.maps.indices {
            ruleset.maps[index].seconds = max(1, seconds)
            if seconds == 0, case .goto(let chain) = ruleset.maps[index].verdict, chain.hasSuffix(Self.newSuffix) {
                ruleset.maps[index].verdict = .goto(chain.dropLast(Self.newSuffix.count) + Self.oldSuffix)
            }
        }
        return ruleset
    }

    package static let newSuffix = "_new"
    package static let oldSuffix = "_old"

    private func hasChain(at base: Base) -> Bool { chains.contains { $0.base?.isSamePlace(as: base) == true } }

    /// What the base chain at the place of `base` does, as a chain to which a rule goes; without one the kernel lets
    /// everything pass.
    private func chain(at base: Base, named name: String) -> Chain {
        guard let own = chains.first(where: { $0.base?.isSamePlace(as: base) == true }), let ownBase = own.base else {
            return Chain(name: name, rules: [Rule([], .accept)])
        }
        // The end of the chain is the end of the trial's, which drops.
        let end = ownBase.policy == .accept ? [Rule([], .accept)] : []
        return Chain(name: name, rules: own.rules + end)
    }

    /// With other names for all that is named, so that it finds room beside another ruleset.
    private func renamed(suffix: String) -> Ruleset {
        var ruleset = self
        for index in ruleset.meters.indices { ruleset.meters[index].name += suffix }
        for index in ruleset.deviceMaps.indices {
            ruleset.deviceMaps[index].name += suffix
            switch ruleset.deviceMaps[index].content {
            case .numbers: break
            case .verdicts(let verdicts):
                ruleset.deviceMaps[index].content = .verdicts(verdicts.mapValues { $0.renamed(suffix: suffix) })
            case .destinations(let family, let verdicts):
                ruleset.deviceMaps[index].content =
                    .destinations(family, verdicts.mapValues { $0.renamed(suffix: suffix) })
            }
        }
        for index in ruleset.chains.indices {
            ruleset.chains[index].name += suffix
            ruleset.chains[index].rules = ruleset.chains[index].rules.map { $0.renamed(suffix: suffix) }
        }
        return ruleset
    }
}

extension Ruleset.Base {
    fileprivate func isSamePlace(as other: Self) -> Bool {
        kind == other.kind && hook == other.hook && priority == other.priority
    }
}

extension Ruleset.Rule {
    fileprivate func renamed(suffix: String) -> Self {
        var rule = self
        rule.matches = matches.map { match in
            switch match {
            case .withinRate(var rate):
                rate.meter += suffix
                return .withinRate(rate)
            case .beyondRate(var rate):
                rate.meter += suffix
                return .beyondRate(rate)
            default: return match
            }
        }
        switch decision {
        case .verdict(let verdict): rule.decision = .verdict(verdict.renamed(suffix: suffix))
        case .byState(let verdicts): rule.decision = .byState(verdicts.mapValues { $0.renamed(suffix: suffix) })
        case .byInput(let verdicts): rule.decision = .byInput(verdicts.mapValues { $0.renamed(suffix: suffix) })
        case .byOutput(let verdicts): rule.decision = .byOutput(verdicts.mapValues { $0.renamed(suffix: suffix) })
        case .byDevice(let map): rule.decision = .byDevice(map + suffix)
        case .byMark(let map): rule.decision = .byMark(map + suffix)
        case .bySource(let family, let map): rule.decision = .bySource(family, map + suffix)
        case .byDestination(let family, let map): rule.decision = .byDestination(family, map + suffix)
        case .identify(let map): rule.decision = .identify(map + suffix)
        case .byMap, .assign, .noteHours, .note, .tell, .clampSegments, .refuse, .forward, .redirect, .masquerade: break
        }
        return rule
    }
}

extension Ruleset.Verdict {
    fileprivate func renamed(suffix: String) -> Self {
        switch self {
        case .jump(let chain): .jump(chain + suffix)
        case .goto(let chain): .goto(chain + suffix)
        case .accept, .drop, .return: self
        }
    }
}
