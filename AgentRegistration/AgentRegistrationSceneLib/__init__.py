"""AgentRegistration on Slicer's side: logic, sections of the panel, nodes, sample data, self test."""
