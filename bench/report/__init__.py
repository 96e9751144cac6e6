"""Results for people: tables, sentences, units, plots and the terminal."""
