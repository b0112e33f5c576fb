import Foundation

/// Which IP addresses belong to the internet at large. Source: IANA's registries of special-purpose addresses, as of 2025.
enum PublicAddress {
    /// False for a text that is no IP address.
    static func isPublic(_ text: String) -> Bool {
        if let bytes = v4(text) { return isPublic(v4: bytes) }
        guard let bytes = v6(text) else { return false }
        return isPublic(v6: bytes)
    }

    /// Networks of IPv4 that are not public, with the length of their prefix.
    private static let reserved: [(network: [UInt8], bits: Int)] = [
        ([0, 0, 0, 0], 8), ([10, 0, 0, 0], 8), ([100, 64, 0, 0], 10), ([127, 0, 0, 0], 8), ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12), ([192, 0, 0, 0], 24), ([192, 0, 2, 0], 24), ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16), ([198, 18, 0, 0], 15), ([198, 51, 100, 0], 24), ([203, 0, 113, 0], 24),
        // Multicast and everything above.
        ([224, 0, 0, 0], 3),
    ]

    private static func isPublic(v4 bytes: [UInt8]) -> Bool {
        !reserved.contains { within(bytes, $0.network, $0.bits) }
    }

    private static func isPublic(v6 bytes: [UInt8]) -> Bool {
        // IPv4 in other clothes: mapped, translated (NAT64), 6to4.
        if within(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], 96) { return isPublic(v4: Array(bytes[12...])) }
        if within(bytes, [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0], 96) {
            return isPublic(v4: Array(bytes[12...]))
        }
        if within(bytes, [0x20, 0x02], 16) { return isPublic(v4: Array(bytes[2..<6])) }
        let exceptions: [(network: [UInt8], bits: Int)] = [
            // Teredo, benchmarking and the like; documentation, twice.
            ([0x20, 0x01, 0x00], 23), ([0x20, 0x01, 0x0D, 0xB8], 32), ([0x3F, 0xFF, 0x00], 20),
        ]
        return within(bytes, [0x20], 3) && !exceptions.contains { within(bytes, $0.network, $0.bits) }
    }

    private static func within(_ address: [UInt8], _ network: [UInt8], _ bits: Int) -> Bool {
        (0..<bits).allSatisfy { bit in
            let mask = UInt8(0x80) >> UInt8(bit % 8)
            return address[bit / 8] & mask == network[bit / 8] & mask
        }
    }

    private static func v4(_ text: String) -> [UInt8]? {
        var address = in_addr()
        guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
        return withUnsafeBytes(of: &address) { Array($0) }
    }

    private static func v6(_ text: String) -> [UInt8]? {
        var address = in6_addr()
        // A zone (`fe80::1%eth0`) belongs to a link, and no such address is public.
        guard !text.contains("%"), inet_pton(AF_INET6, text, &address) == 1 else { return nil }
        return withUnsafeBytes(of: &address) { Array($0) }
    }
}
