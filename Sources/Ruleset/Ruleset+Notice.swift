extension Ruleset {
    /// Why this program is told of a packet (`Decision.note`). By the number of a group of nfnetlink_log (`log group`, nft(8)) to
    /// which nobody else is likely to listen.
    package enum Notice: UInt16, Hashable, Sendable, Codable, CaseIterable {
        /// Its source tries ports that are shut.
        case scan = 26_472
        /// Its source begins far more than one source may begin.
        case flood = 26_473
        /// The box itself begins with it what nothing lets out.
        case departure = 26_474
        /// It is neither let in nor through.
        case drop = 26_475
        /// A device begins something with it of which it is noted where it goes.
        case visit = 26_476
        /// It is neither let in nor through for its source, wherever it is for: a blocklist has it, it is banned, or forged.
        case barred = 26_477
    }
}
