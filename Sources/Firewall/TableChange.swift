internal import CNetfilter
internal import Ruleset

/// The way from a table that the kernel holds to a ruleset, on which everything stays that both have: what its rules have counted,
/// and what its meters remember of the sources of packets. A device that is new, stopped or gone is a change of elements and of
/// nothing else.
struct TableChange: Equatable {
    /// Chains of which all rules go. Those that stay get others.
    var emptiedChains: [String] = []
    var deletedChains: [String] = []
    var deletedSets: [String] = []
    var addedSets: [NamedSet] = []
    /// Those of the added sets that get networks.
    var filledSets: [NetworkSet] = []
    /// Those of the live sets that lose what they have. They are filled, too.
    var emptiedSets: [LiveSet] = []
    /// Meters that forget their sources: each of these would keep the rate that was in force when it was seen first
    /// (nft_dynset.c, nft_dynset_new).
    var emptiedMeters: [String] = []
    /// Those of the live sets that get all of their elements.
    var filledLiveSets: [LiveSet] = []
    var addedChains: [Ruleset.Chain] = []
    /// By the map's name. An element that says something else from now on is deleted and added.
    var deletedElements: [String: [DeviceElement]] = [:]
    var addedElements: [String: [DeviceElement]] = [:]
    /// Chains that get all of their rules.
    var filledChains: [Ruleset.Chain] = []

    var isEmpty: Bool { self == TableChange() }

    /// Whether elements of device maps come and go, and nothing else is different: what the kernel has acknowledged of that is there.
    var isOfElementsAlone: Bool {
        var other = TableChange()
        (other.deletedElements, other.addedElements) = (deletedElements, addedElements)
        return self == other
    }

    /// Whether rules are written anew, which go on counting where those before them were.
    var writesRules: Bool { !filledChains.isEmpty }

    /// The part that brings sets of networks; nil: there is none.
    var networks: TableChange? {
        guard !filledSets.isEmpty else { return nil }
        var part = TableChange()
        let names = Set(filledSets.map(\.name))
        part.addedSets = addedSets.filter { names.contains($0.name) }
        part.filledSets = filledSets
        return part
    }

    /// None.
    private init() {}

    /// nil: the table has to be made anew. A trial always is, as its time begins with it; and so is one in which a chain
    /// or a set of a name that stays is of another kind.
    ///
    /// - Parameters:
    ///   - afterReplacement: the table was made anew for this very ruleset a moment ago.
    ///   - refills: nobody knows what the live sets hold that are there.
    init?(
        from table: KernelTable, to ruleset: Ruleset, flags: UInt32, afterReplacement: Bool = false,
        refills: Bool = false
    ) {
        let wanted = KernelTable(ruleset, flags: flags)
        guard table.flags == flags else { return nil }
        if !afterReplacement, ruleset.isTrial || table.namedSets.contains(where: \.isTimedMap) { return nil }

        let held = Dictionary(table.namedSets.map { ($0.name, $0) }) { first, _ in first }
        for set in wanted.namedSets {
            guard let known = held[set.name] else {
                addedSets.append(set)
                continue
            }
            guard known == set else { return nil }
        }
        filledSets = ruleset.networkSets.filter { held[$0.name] == nil }
        let live = ruleset.liveSets
        if refills { emptiedSets = live.filter { held[$0.name] != nil } }
        filledLiveSets = refills ? live : live.filter { held[$0.name] == nil }
        let setNames = Set(wanted.namedSets.map(\.name))
        deletedSets = table.namedSets.map(\.name).filter { !setNames.contains($0) }
        for (name, elements) in wanted.deviceMaps {
            let (before, after) = (Set(table.deviceMaps[name] ?? []), Set(elements))
            let (gone, new) = (before.subtracting(after), after.subtracting(before))
            if !gone.isEmpty { deletedElements[name] = DeviceElement.sorted(Array(gone)) }
            if !new.isEmpty { addedElements[name] = DeviceElement.sorted(Array(new)) }
        }

        let chains = Dictionary(table.chains.map { ($0.name, $0) }) { first, _ in first }
        for (chain, want) in zip(ruleset.chains, wanted.chains) {
            guard let known = chains[chain.name] else {
                addedChains.append(chain)
                filledChains.append(chain)
                continue
            }
            guard known.role == want.role else { return nil }
            if known.rules == want.rules { continue }
            emptiedChains.append(chain.name)
            filledChains.append(chain)
        }
        let (rates, wantedRates) = (table.rates, wanted.rates)
        emptiedMeters = rates.filter { name, rates in wantedRates[name].map { $0 != rates } ?? false }.keys.sorted()
        let chainNames = Set(wanted.chains.map(\.name))
        deletedChains = table.chains.map(\.name).filter { !chainNames.contains($0) }
        emptiedChains += deletedChains
        // The elements of a map that goes may lead to a chain that goes.
        for name in deletedSets where table.deviceMaps[name]?.isEmpty == false {
            deletedElements[name] = table.deviceMaps[name]
        }
    }
}

extension KernelTable {
    /// The instructions that update each meter.
    fileprivate var rates: [String: Set<Instruction>] {
        var rates: [String: Set<Instruction>] = [:]
        for instruction in chains.lazy.flatMap(\.rules).flatMap(\.instructions) {
            if case .update(let meter, _, _, _) = instruction { rates[meter, default: []].insert(instruction) }
        }
        return rates
    }

    /// What the table is after a change that is of elements alone.
    mutating func apply(_ change: TableChange) {
        for (name, elements) in change.deletedElements {
            let gone = Set(elements)
            deviceMaps[name]?.removeAll { gone.contains($0) }
        }
        for (name, elements) in change.addedElements {
            deviceMaps[name] = DeviceElement.sorted((deviceMaps[name] ?? []) + elements)
        }
    }
}

extension Batch {
    /// Adds what makes the table that `change` begins with into the one that it leads to. Nothing is deleted while something leads to
    /// it, and nothing leads anywhere before it is there.
    ///
    /// - Parameters:
    ///   - counters: with what rules begin to count that are written anew.
    ///   - elements: what the live sets are to hold.
    mutating func alter(_ change: TableChange, counters: CarriedCounters, elements: LiveElements) {
        var counters = counters
        for name in change.emptiedChains { emptyChain(name) }
        for (name, elements) in change.deletedElements.sorted(by: { $0.key < $1.key }) {
            write(elements, of: name, .deleteElements("map \(name)"), NFT_MSG_DELSETELEM, flags: 0)
        }
        for name in change.deletedChains { deleteChain(name) }
        for name in change.deletedSets { deleteSet(name) }
        var sets: UInt32 = 0
        for set in change.addedSets { add(set, &sets) }
        for set in change.filledSets { addElements(of: set) }
        for set in change.emptiedSets { emptySet(set.name) }
        for meter in change.emptiedMeters { emptySet(meter) }
        for set in change.filledLiveSets { addElements(elements[set.name], to: set) }
        for chain in change.addedChains { add(chain) }
        for (name, elements) in change.addedElements.sorted(by: { $0.key < $1.key }) {
            write(elements, of: name, .addElements("map \(name)"), NFT_MSG_NEWSETELEM, flags: NLM_F_CREATE)
        }
        for chain in change.filledChains {
            for rule in chain.rules { add(rule, to: chain, sets: &sets, counted: counters.take(for: rule, in: chain)) }
        }
    }
}
