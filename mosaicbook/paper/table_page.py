"""The page of one table of results: what is common to Tables 2 to 8, said and made once."""

from dataclasses import dataclass
from functools import cached_property
from html import escape

from IPython.display import HTML

from mosaicbook import paper
from mosaicbook.paper import judgement, latency_ratios, results_table
from mosaicbook.show import figures, forest, tables
from mosaicbook.show.paper_table import paper_table

OURS = (
    "Ours is the mean over the seeds of this profile's trainings of the row's network, with its 95 % interval; where "
    "network or data are not the paper's a note says so, and nothing is subtracted. Heads on a frozen backbone compare "
    "with each other alone. MAdds are counted on the row's own network as its Keras graph is built: half of TFLite's "
    "arithmetic count with batch norms folded, as the paper's tables are."
)
LATENCY = (
    "Latencies are the paper's on a Pixel 4, averaged over ten runs of TFLite's benchmark tool; this machine's CPU is "
    "not a phone's."
)


@dataclass(frozen=True)
class Page:
    """One table of the paper, beside the runs of a profile."""

    number: int
    profile: str

    @cached_property
    def record(self):
        return results_table.beside_the_paper(self.number, self.profile, f"tables/table_{self.number}")

    @cached_property
    def costs(self):
        return results_table.costs(self.number)

    @cached_property
    def findings(self):
        return judgement.of_table(self.number, self.profile)

    def table(self) -> HTML:
        """The table as printed, ours beside it, and how both were measured."""
        fills = f"mosaic report --profile paper --tables {self.number}"
        shown = paper_table(**self.record, caption=f"Table {self.number} of the paper, and ours", fills=fills)
        latency = f" {LATENCY}" if any("Pixel" in column for column in self.record["columns"]) else ""
        return HTML(f'{shown.data}<p class="caption">{escape(paper.protocol(self.number))} {escape(OURS)}{latency}</p>')

    def latency_ratios(self) -> HTML:
        """Ratios of latencies between the rows, the paper's and on this machine's CPU."""
        return latency_ratios.shown(self.number, self.profile)

    def every_number(self) -> HTML:
        """Every number on a line of its own, behind a line that opens it."""
        title = "Every number on a line of its own, with its difference and its run"
        return tables.folded(tables.measured_table(**self.record), title)

    def cost_table(self) -> HTML:
        """What explains the printed MAdds; a sentence where the table prints none."""
        if not self.costs:
            return HTML("<p>The paper prints no MAdds in this table.</p>")
        return tables.folded(results_table.cost_table(self.costs), results_table.digits_sentence(self.costs))

    def forest(self):
        """The differences that the claims are about, the paper's and ours."""
        drawn = forest.plot(self.findings, f"Table {self.number}")
        if drawn is None:
            return HTML("<p>No claim about this table compares accuracies.</p>")
        lines = forest.rows(self.findings)
        ours = sum(len(line["ours"]) for line in lines)
        return figures.figure(
            drawn,
            alt=f"Differences in mIoU of {len(lines)} pairs of networks of Table {self.number}; ours stand for {ours}. "
            "The sentences above have the numbers.",
            caption=f"What the claims about Table {self.number} compare, by their number above. Right of 0 speaks for "
            "a claim of more. The paper prints no seeds, so its diamonds have no interval.",
        )

    def result(self) -> dict:
        """What the run leaves in result.json."""
        found = self.record | {"claims": [finding.to_json() for finding in self.findings]}
        found["latency_ratios"] = latency_ratios.of_table(self.number, self.profile)
        if not self.costs:
            return found
        digits = sum(map(results_table.printed_digits, self.costs))
        return found | {"printed_digits_reached": digits, "madds_explained": results_table.explained(self.costs)}
