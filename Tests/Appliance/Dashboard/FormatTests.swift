import Core
import Dashboard
import Foundation
import Testing

@Suite struct FormatTests {
    @Test func ticksAreToldApart() {
        #expect(Format.apart([0.1, 0.2, 0.3]) == ["0.1", "0.2", "0.3"])
        #expect(Format.apart([0.7462, 0.74625, 0.7463]) == ["0.7462", "0.74625", "0.7463"])
        #expect(Format.apart([1e9, 1e9 + 1]) == ["1,000,000,000", "1,000,000,001"])
        #expect(Format.apart([5, 5]) == ["5", "5"])
        #expect(Format.apart([]) == [])
    }

    @Test func numbersReadWell() {
        let cases: [(Double, String)] = [
            (0, "0"), (0.70314, "0.7031"), (12_480, "12,480"), (1234.6, "1235"), (-3.5, "−3.5"), (.nan, "NaN"),
            (.infinity, "∞"), (-.infinity, "−∞"),
            (100, "100"), (0.05, "0.05"), (1e300, "1.00e300"), (3.14e-9, "3.14e−9"), (99_999.7, "100,000"),
            (Double.leastNonzeroMagnitude, "4.94e−324"),
        ]
        for (value, text) in cases { #expect(Format.number(value) == text, "\(value)") }
        #expect(Format.number(1234.5, digits: 6) == "1234.5")
        #expect(Format.count(Int.min) == "−9,223,372,036,854,775,808")
    }

    @Test func sizesDurationsAndSharesReadWell() {
        #expect(Format.bytes(999) == "999 B")
        #expect(Format.bytes(8_112_400) == "8.11 MB")
        #expect(Format.bytes(.max).hasSuffix("TB"))
        #expect(Format.duration(0.0123) == "12 ms")
        #expect(Format.duration(245) == "4 min 05 s")
        #expect(Format.duration(-4) == "0 ms")
        #expect(Format.duration(.infinity) == "–")
        #expect(Format.percent(0.5) == "50 %")
        #expect(Format.percent(0.0001) == "< 0.1 %")
        #expect(Format.percent(.nan) == "–")
        #expect(Format.latency(nil) == "–")
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        #expect(Format.ago(now.adding(seconds: -125), now: now) == "2 min ago")
        #expect(Format.ago(Timestamp(milliseconds: .min), now: now).isEmpty == false)
    }

    @Test func linksAreEncodedPartByPart() {
        #expect(Format.link("models", "späte flüge/é?#%") == "/models/sp%C3%A4te%20fl%C3%BCge%2F%C3%A9%3F%23%25")
    }

    @Test func formTextTakesTheColumnsType() {
        #expect(FormValue.json("", type: "int64") == .null)
        #expect(FormValue.json("17", type: "int64") == 17)
        #expect(FormValue.json("17.5", type: "float64") == 17.5)
        #expect(FormValue.json("nan", type: "float64") == "nan")
        #expect(FormValue.json("true", type: "bool") == true)
        #expect(FormValue.json("17", type: "string") == "17")
        #expect(FormValue.text(.number(88.02)) == "88.02")
        #expect(FormValue.text(.number(1e300)) == "1e+300")
    }
}
