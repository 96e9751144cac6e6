"""The page of `bench report`: one HTML file with tables, charts and samples of runs, which needs no network."""
