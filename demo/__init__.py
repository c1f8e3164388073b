"""The sample project and the unattended demo: the only room that walks through all the others."""
