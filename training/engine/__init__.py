"""One loop and what surrounds it. Knows neither networks nor losses."""
